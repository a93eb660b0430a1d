"""Scores of change between consecutive masks of a series: where it changed, and into what."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.training.metrics import Confusion


class ChangeScores:
    """Binary change IoU (BC), semantic change (SC) and their mean (SCS), over any number of series or windows of them.

    A pixel changes between two consecutive dates where its class differs. BC is the IoU of true and given change. SC
    is the mean IoU of the later date's classes over the pixels that truly changed, whether the change was found or
    not: the sum over all classes over the number of classes that truly changed pixels turn into, so that a class
    given there and never true costs through the others' unions. All series are pooled, as in the benchmark.

    Source:
        Toker et al.: DynamicEarthNet, CVPR 2022, section 4 (arXiv:2203.12560), and the benchmark's published
        evaluation (aysim/dynnet, codalab_eval). There every pixel counts; here those valid at both dates.
    """

    def __init__(self, classes: int) -> None:
        self.changed = Confusion(2)
        """Counts of (truly changed, given as changed)."""
        self.became = Confusion(classes)
        """Counts of (true, given) class after the change, over truly changed pixels."""

    def add(self, truth_THW: NDArray[np.integer], mask_THW: NDArray[np.integer], valid_THW: NDArray[np.bool_]) -> None:
        """Count one series, or one window of it, over all its dates; fewer than two dates hold no change.

        Args:
            truth_THW: true class ids.
            mask_THW: given class ids; anything may stand where not valid.
            valid_THW: pixels that count; a pair of dates counts where both do.

        Raises:
            ValueError: a pixel valid at two consecutive dates holds no class.
        """
        for t in range(1, len(truth_THW)):
            valid = valid_THW[t - 1] & valid_THW[t]
            truly, given = truth_THW[t - 1] != truth_THW[t], mask_THW[t - 1] != mask_THW[t]
            self.changed.add(truly.astype(np.int64), given.astype(np.int64), valid)
            self.became.add(truth_THW[t], mask_THW[t], valid & truly)

    def bc(self) -> float:
        """Binary change: IoU of true and given change; NaN where neither is."""
        return self.changed.iou(1)

    def sc(self) -> float:
        """Semantic change: mean IoU of classes over truly changed pixels; NaN where nothing truly changed."""
        true_K = self.became.counts.sum(1)
        ious = [self.became.iou(int(k)) for k in np.flatnonzero(true_K)]
        return float(np.mean(ious)) if ious else float("nan")

    def scs(self) -> float:
        """Semantic change segmentation score: mean of BC and SC; NaN where nothing truly changed."""
        return (self.bc() + self.sc()) / 2
