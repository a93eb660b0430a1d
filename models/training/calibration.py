"""Whether confidence is what it says: of pixels given 0.8, eight in ten should be right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.training.metrics import class_ids


class Calibration:
    """Confidence against accuracy in bins of equal width, gathered as masks stream by.

    Confidence is the largest class probability; bin m holds confidences in ((m - 1) / M, m / M].

    Source:
        Guo, Pleiss, Sun, Weinberger: On calibration of modern neural networks, ICML 2017, equations 3 and 5.
    """

    def __init__(self, classes: int, *, bins: int = 15) -> None:
        if not (classes >= 1 and bins >= 1):
            raise ValueError(f"expected 1 class and 1 bin or more; got {classes} and {bins}")
        self._classes, self._edges = classes, np.linspace(0, 1, bins + 1)[1:-1]
        self.counts_M: NDArray[np.int64] = np.zeros(bins, np.int64)
        self._right_M: NDArray[np.int64] = np.zeros(bins, np.int64)
        self._confidence_M: NDArray[np.float64] = np.zeros(bins)

    def add(self, probs_KHW: NDArray[np.floating], truth_HW: NDArray[np.integer], valid_HW: NDArray[np.bool_]) -> None:
        """Count the valid pixels of one mask or window.

        Args:
            probs_KHW: class probabilities.
            truth_HW: true class ids; anything may stand where not valid.
            valid_HW: pixels that count.

        Raises:
            ValueError: a valid pixel has a label that is no class, or a probability outside 0..1.
        """
        truth_N, probs_KN = class_ids(truth_HW, valid_HW, self._classes, "truth"), probs_KHW[:, valid_HW]
        if len(probs_KN) != self._classes:
            raise ValueError(f"probs: expected {self._classes} classes; got {len(probs_KN)}")
        confidence_N = probs_KN.max(0).astype(np.float64)
        if not np.all((confidence_N >= 0) & (confidence_N <= 1 + 1e-5)):
            raise ValueError(
                "probs: expected probabilities in 0..1 where valid; got NaN or others; apply softmax first"
            )
        bin_N, bins = np.searchsorted(self._edges, confidence_N), len(self.counts_M)
        self.counts_M += np.bincount(bin_N, minlength=bins)
        self._right_M += np.bincount(bin_N[probs_KN.argmax(0) == truth_N], minlength=bins)
        self._confidence_M += np.bincount(bin_N, confidence_N, minlength=bins)

    def curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean confidence and accuracy per bin, (M,) each, NaN in empty bins: the reliability diagram."""
        counts = np.where(self.counts_M > 0, self.counts_M, np.nan)
        return self._confidence_M / counts, self._right_M / counts

    def error(self) -> float:
        """Expected calibration error: mean over pixels of |accuracy - confidence| of their bin; NaN without pixels."""
        total = self.counts_M.sum()
        return float(np.abs(self._right_M - self._confidence_M).sum() / total) if total else float("nan")
