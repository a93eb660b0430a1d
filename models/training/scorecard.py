"""All scores of a model's masks together, gathered picture by picture or series by series."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.card import MASK_NODATA, LandClass
from models.training.boundary_f1 import BoundaryF1
from models.training.calibration import Calibration
from models.training.change_scores import ChangeScores
from models.training.chips import Chip
from models.training.extremes import Extremes
from models.training.metrics import Confusion
from models.training.watching import Example

BOUNDARY_PX = 2.0
"""Tolerance of boundary F1: fixed, so that scores of large and small pictures can be compared."""


class Scorecard:
    """What is counted of masks and probabilities against truth.

    Args:
        classes: the legend.
        series: whether masks come as series, which have change.

    Attributes:
        confusion: counts of true and given classes.
        calibration: confidence against accuracy.
        boundary: of classes, within `BOUNDARY_PX`.
        change: between consecutive dates; None for single pictures.
        extremes: the best and the worst chips.
    """

    def __init__(self, classes: Sequence[LandClass], *, series: bool = False) -> None:
        self.classes, count = tuple(classes), len(classes)
        self.confusion, self.calibration = Confusion(count), Calibration(count)
        self.boundary = BoundaryF1(count, tolerance_px=BOUNDARY_PX)
        self.change = ChangeScores(count) if series else None
        self.extremes = Extremes(count)

    def add_series(
        self,
        name: str,
        chip: Chip,
        masks: NDArray[np.uint8],
        probs_TKHW: NDArray[np.float32],
        valid_THW: NDArray[np.bool_],
    ) -> None:
        """Count the masks of a series.

        Chips are ranked by the pixels that are clear at their date: elsewhere a mask cannot know better.

        Args:
            name: of the place.
            chip: all of the series, with its truth.
            masks: (T, H, W) class ids.
            probs_TKHW: probabilities.
            valid_THW: pixels that count.
        """
        self.confusion.add(chip.target, masks, valid_THW)
        if self.change is not None:
            self.change.add(chip.target, masks, valid_THW)
        for t, day in enumerate(chip.days):
            valid, clear = valid_THW[t], chip.clear[t]
            self.calibration.add(np.clip(probs_TKHW[t], 0, 1), chip.target[t], valid)
            self.boundary.add(chip.target[t], masks[t], valid, image=(name, t))
            shown = np.where(clear, masks[t], MASK_NODATA)
            self.extremes.add(
                Example(f"{name}, {np.datetime64(int(day), 'D')}", chip.reflectance[t], chip.target[t], shown),
                valid & clear,
            )

    def told(self) -> dict[str, float]:
        """Return the scores by name; those of classes as `iou NAME` and so on."""
        scores = self.confusion.scores()
        scores |= {"boundary_f1": self.boundary.mean_f1(), "calibration_error": self.calibration.error()}
        if self.change is not None:
            scores |= {"change_bc": self.change.bc(), "change_sc": self.change.sc(), "change_scs": self.change.scs()}
        for one in self.classes:
            scores |= {f"iou {one.name}": self.confusion.iou(one.id), f"f1 {one.name}": self.confusion.f1(one.id)}
            scores[f"boundary_f1 {one.name}"] = self.boundary.f1(one.id)
        return scores
