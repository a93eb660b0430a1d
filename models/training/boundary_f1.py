"""How well edges are placed: F1 of class boundaries within a tolerance, exact when streamed in windows."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from models.training.metrics import known_mean

Window = tuple[slice, slice]


@dataclass(frozen=True)
class WindowWithCore:
    """Part of an image, read with a margin.

    Attributes:
        window: rows and columns of the image to read: the core and its margin, cut at the image's edges.
        core: rows and columns of the window that count; the cores of all windows cover the image once.
    """

    window: Window
    core: Window


def windows_with_cores(height: int, width: int, *, side_px: int, margin_px: int) -> Iterator[WindowWithCore]:
    """Yield windows whose cores of at most `side_px` square tile an image."""
    for top in range(0, height, side_px):
        for left in range(0, width, side_px):
            rows, core_rows = _with_margin(top, min(top + side_px, height), height, margin_px)
            cols, core_cols = _with_margin(left, min(left + side_px, width), width, margin_px)
            yield WindowWithCore((rows, cols), (core_rows, core_cols))


def boundary(ids_HW: NDArray[np.integer], valid_HW: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels with another class beside them: above, below, left or right, both valid. An image's edge is none."""
    found = np.zeros(ids_HW.shape, bool)
    for here, there in (
        ((slice(1, None), slice(None)), (slice(None, -1), slice(None))),
        ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
    ):
        edge = (ids_HW[here] != ids_HW[there]) & valid_HW[here] & valid_HW[there]
        found[here] |= edge
        found[there] |= edge
    return found


class BoundaryF1:
    """Boundary F1 per class: boundaries of truth and mask that lie within a tolerance of each other.

    Per image and class, precision is the share of the mask's boundary pixels that have one of the truth within
    `tolerance_px` (Euclidean, at most), recall the converse, F1 their harmonic mean. A class with a boundary in
    neither has no score in that image. Class scores are means over images; the mean takes, per image, the mean over
    its classes, then the mean over images, as the paper argues for.

    Attributes:
        margin_px: what a window must reach beyond its core, where the image goes on, for its counts to be exact.

    Source:
        Csurka, Larlus, Perronnin: What is a good evaluation measure for semantic segmentation?, BMVC 2013,
        section 2.2; there the tolerance is 0.75 % of the image's diagonal.
    """

    def __init__(self, classes: int, *, tolerance_px: float) -> None:
        if not (classes >= 1 and 0 <= tolerance_px < math.inf):
            raise ValueError(
                f"expected 1 class or more, and a tolerance of 0 px or more; got {classes}, {tolerance_px}"
            )
        self.classes, self.tolerance_px = classes, tolerance_px
        self.margin_px = math.floor(tolerance_px) + 1
        self._counts: dict[Hashable, NDArray[np.int64]] = {}

    def add(
        self,
        truth_HW: NDArray[np.integer],
        mask_HW: NDArray[np.integer],
        valid_HW: NDArray[np.bool_],
        *,
        image: Hashable,
        core: Window = (slice(None), slice(None)),
    ) -> None:
        """Count the boundaries in the core of one window of an image.

        Args:
            truth_HW: true class ids.
            mask_HW: given class ids; anything may stand where not valid.
            valid_HW: pixels that count; beside the others no boundary is seen.
            image: what the window belongs to; windows of one image are pooled.
            core: rows and columns of the window that count, all of them unless told (`windows_with_cores`).
        """
        counts = self._counts.setdefault(image, np.zeros((self.classes, 4), np.int64))
        true_edge, given_edge = boundary(truth_HW, valid_HW), boundary(mask_HW, valid_HW)
        for k in range(self.classes):
            true, given = true_edge & (truth_HW == k), given_edge & (mask_HW == k)
            near_true, near_given = self._near(true), self._near(given)
            for column, pixels in enumerate((given, given & near_true, true, true & near_given)):
                counts[k, column] += np.count_nonzero(pixels[core])

    def f1(self, of: int) -> float:
        """Mean over images of a class's boundary F1; NaN where no image has a boundary of it."""
        return known_mean([_f1(counts[of]) for counts in self._counts.values()])

    def mean_f1(self) -> float:
        """Mean over images of the mean over their classes; NaN without any boundary."""
        return known_mean([known_mean([_f1(of) for of in counts]) for counts in self._counts.values()])

    def _near(self, edge: NDArray[np.bool_]) -> NDArray[np.bool_]:
        if not edge.any():
            return edge
        near: NDArray[np.bool_] = distance_transform_edt(~edge) <= self.tolerance_px
        return near


def _f1(counts: NDArray[np.int64]) -> float:
    """F1 from (given, given near true, true, true near given)."""
    given, matched, true, found = (int(n) for n in counts)
    if given + true == 0:
        return float("nan")
    precision, recall = matched / max(given, 1), found / max(true, 1)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _with_margin(start: int, stop: int, size: int, margin_px: int) -> tuple[slice, slice]:
    first, last = max(0, start - margin_px), min(size, stop + margin_px)
    return slice(first, last), slice(start - first, stop - first)
