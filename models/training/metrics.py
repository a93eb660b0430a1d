"""Scores of masks against truth, gathered as they stream by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Confusion:
    """Counts of (true class, given class) over any number of masks, or of windows of masks.

    Sources of the scores: Long, Shelhamer, Darrell: Fully convolutional networks, CVPR 2015, section 5 (pixel
    accuracy, mean accuracy, mean and frequency-weighted IoU). A class that is neither true nor given is left out of
    means over classes; one that is given and never true counts as an IoU of 0.
    """

    def __init__(self, classes: int) -> None:
        self.counts: NDArray[np.int64] = np.zeros((classes, classes), np.int64)

    def add(self, truth: NDArray[np.integer], mask: NDArray[np.integer], valid: NDArray[np.bool_]) -> None:
        """Count the valid pixels of one mask.

        Args:
            truth: true class ids.
            mask: given class ids, of the same shape; anything may stand where not valid.
            valid: pixels that count.

        Raises:
            ValueError: a valid pixel holds no class, in truth or mask.
        """
        classes = len(self.counts)
        true, given = class_ids(truth, valid, classes, "truth"), class_ids(mask, valid, classes, "mask")
        self.counts += np.bincount(true * classes + given, minlength=classes**2).reshape(classes, classes)

    def iou(self, of: int) -> float:
        """Intersection over union of a class; NaN where it is neither true nor given anywhere."""
        union = self.counts[of].sum() + self.counts[:, of].sum() - self.counts[of, of]
        return float(self.counts[of, of] / union) if union else float("nan")

    def f1(self, of: int) -> float:
        """Harmonic mean of precision and recall of a class; NaN where it is neither true nor given anywhere."""
        both = self.counts[of].sum() + self.counts[:, of].sum()
        return float(2 * self.counts[of, of] / both) if both else float("nan")

    def accuracy(self) -> float:
        """Share of pixels given their true class; NaN without pixels."""
        total = self.counts.sum()
        return float(np.trace(self.counts) / total) if total else float("nan")

    def precision(self, of: int) -> float:
        """Share of the pixels given a class that truly are; NaN where none was given."""
        given = self.counts[:, of].sum()
        return float(self.counts[of, of] / given) if given else float("nan")

    def recall(self, of: int) -> float:
        """Share of the pixels truly of a class that were given it; NaN where there are none."""
        true = self.counts[of].sum()
        return float(self.counts[of, of] / true) if true else float("nan")

    def mean_accuracy(self) -> float:
        """Mean recall of the classes that are true somewhere; NaN without pixels."""
        return known_mean([self.recall(k) for k in range(len(self.counts))])

    def mean_iou(self) -> float:
        """Mean IoU of the classes that are true or given somewhere; NaN without pixels."""
        return known_mean([self.iou(k) for k in range(len(self.counts))])

    def mean_f1(self) -> float:
        """Mean F1 of the classes that are true or given somewhere; NaN without pixels."""
        return known_mean([self.f1(k) for k in range(len(self.counts))])

    def frequency_weighted_iou(self) -> float:
        """IoU of the classes, each weighted by its share of the true pixels; NaN without pixels."""
        share, seen = self.counts.sum(1), self.counts.sum(1) > 0
        if not seen.any():
            return float("nan")
        return float(np.average([self.iou(int(k)) for k in np.flatnonzero(seen)], weights=share[seen]))

    def scores(self) -> dict[str, float]:
        """Return every score that needs no class, by name, for a table or a card."""
        return {
            "accuracy": self.accuracy(),
            "mean_accuracy": self.mean_accuracy(),
            "mean_iou": self.mean_iou(),
            "frequency_weighted_iou": self.frequency_weighted_iou(),
            "mean_f1": self.mean_f1(),
        }


def class_ids(values: NDArray[np.integer], valid: NDArray[np.bool_], classes: int, name: str) -> NDArray[np.int64]:
    """Return the class ids of the valid pixels, (N,).

    Raises:
        ValueError: one of them is no class.
    """
    ids: NDArray[np.int64] = values[valid].astype(np.int64)
    if ids.size and not (ids.min() >= 0 and ids.max() < classes):
        raise ValueError(
            f"{name}: expected class ids 0..{classes - 1} where valid; got {ids.min()}..{ids.max()}; "
            "mark other pixels as not valid"
        )
    return ids


def known_mean(values: list[float]) -> float:
    """Mean of the values that are not NaN; NaN where there are none."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
