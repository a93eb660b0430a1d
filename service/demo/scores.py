"""Masks against truth, date by date, on the pixels for which there is a mask."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from service.errors import DemoFailed

NODATA = 255


@dataclass(frozen=True)
class DateScore:
    """How a mask compares with truth on one date.

    Attributes:
        date: YYYYMMDD.
        iou: intersection over union of the followed class; NaN where the truth has none of it.
        change_iou: the same of the change since the first date; NaN likewise.
        accuracy: share of pixels with the right class.
        mapped_ha, true_ha: area of the followed class, or of the change where there is one, in mask and truth.
    """

    date: str
    iou: float
    change_iou: float
    accuracy: float
    mapped_ha: float
    true_ha: float


def iou(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Return intersection over union; NaN where the truth is empty."""
    if not truth.any():
        return math.nan
    return float((mask & truth).sum() / (mask | truth).sum())


def mean(values: list[float]) -> float:
    """Return the mean of those that are numbers; NaN if none is."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def score_dates(masks: dict[str, Path], truths: dict[str, Path], *, follow_loss: bool) -> list[DateScore]:
    """Compare every date.

    Args:
        masks: date -> mask of classes 0 and 1, 255 nodata.
        truths: the same dates -> true classes, on a grid that shares the masks' pixel corners.
        follow_loss: the change is the loss of class 1 since the first date; else it is class 1 itself.
    """
    scores = []
    first_mask = first_truth = None
    for date, path in sorted(masks.items()):
        mask, truth, pixel_ha = _read_pair(path, truths[date])
        known = (mask != NODATA) & (truth != NODATA)
        first_truth = truth if first_truth is None else first_truth
        # A pixel is first seen where it is first clear: that may be later than the first date.
        first_mask = mask.copy() if first_mask is None else np.where(first_mask == NODATA, mask, first_mask)
        lost, truly_lost = (first_mask == 1) & (mask == 0) & known, (first_truth == 1) & (truth == 0) & known
        there, truly_there = (mask == 1) & known, (truth == 1) & known
        change, true_change = (lost, truly_lost) if follow_loss else (there, truly_there)
        scores.append(
            DateScore(
                date=date,
                iou=iou(there, truly_there),
                change_iou=iou(change, true_change),
                accuracy=float((mask == truth)[known].mean()) if known.any() else math.nan,
                mapped_ha=float(change.sum()) * pixel_ha,
                true_ha=float(true_change.sum()) * pixel_ha,
            )
        )
    return scores


def _read_pair(mask_path: Path, truth_path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8], float]:
    """Read a mask, the truth on the mask's grid (255 beyond it), and the area of a pixel in hectares."""
    with rasterio.open(mask_path) as mask, rasterio.open(truth_path) as truth:
        if mask.crs != truth.crs or not np.allclose(mask.res, truth.res):
            raise DemoFailed(f"{mask_path.name} lies on another grid than the scenes: {mask.crs}, {mask.res}")
        col, row = ~truth.transform * (mask.transform.c, mask.transform.f)
        if abs(col - round(col)) > 1e-3 or abs(row - round(row)) > 1e-3:
            raise DemoFailed(f"{mask_path.name} is shifted by part of a pixel against the scenes")
        window = Window(round(col), round(row), mask.width, mask.height)
        values = truth.read(1, window=window, boundless=True, fill_value=NODATA)
        return mask.read(1), values, abs(mask.res[0] * mask.res[1]) / 10_000
