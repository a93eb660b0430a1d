"""Scores of masks against truth, gathered as they stream by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Confusion:
    """Counts of (true class, given class) over any number of masks."""

    def __init__(self, classes: int) -> None:
        self.counts: NDArray[np.int64] = np.zeros((classes, classes), np.int64)

    def add(self, truth: NDArray[np.integer], mask: NDArray[np.integer], valid: NDArray[np.bool_]) -> None:
        """Count the valid pixels of one mask.

        Args:
            truth: true class ids.
            mask: given class ids, of the same shape; anything may stand where not valid.
            valid: pixels that count.
        """
        classes = len(self.counts)
        pairs = truth[valid].astype(np.int64) * classes + mask[valid].astype(np.int64)
        self.counts += np.bincount(pairs, minlength=classes**2).reshape(classes, classes)

    def iou(self, of: int) -> float:
        """Intersection over union of a class; NaN where it is neither true nor given anywhere."""
        union = self.counts[of].sum() + self.counts[:, of].sum() - self.counts[of, of]
        return float(self.counts[of, of] / union) if union else float("nan")

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
