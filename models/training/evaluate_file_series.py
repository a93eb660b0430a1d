"""Every score of a checkpoint on series in files, run as a job runs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from models.card import MASK_NODATA
from models.engine import Engine
from models.errors import DataRefused
from models.settling import settle
from models.training.chips import Chip
from models.training.datasets.series import Series
from models.training.metrics import Confusion
from models.training.scorecard import Scorecard
from models.training.watching import Example

EPOCH = date(1970, 1, 1)


def evaluate_file_series(engine: Engine, series: Sequence[Series]) -> tuple[Scorecard, dict[str, float]]:
    """Score a network on series, walked date by date: clear pixels whose truth is known count.

    Args:
        engine: of any family; a static network repeats its last look where a date is not clear.
        series: with the bands of the engine's card.

    Returns:
        The scores of all series together, and the mean IoU of each by its name.

    Raises:
        DataRefused: there is no series.
    """
    if not series:
        raise DataRefused("there is no series to score on in this split; give --split all, or other data")
    scores, by_series = Scorecard(engine.card.classes, series=True), dict[str, float]()
    for one in series:
        chip = one.at(range(len(one.days))).window(0, 0, *one.shape)
        probs_TKHW = np.stack([*_walk(engine, one)])
        masks = np.stack([*settle(probs_TKHW, lasting=engine.card.change.lasting)])
        by_series[one.name] = _add(scores, one.name, chip, masks, probs_TKHW)
    return scores, by_series


def _walk(engine: Engine, series: Series) -> Iterator[NDArray[np.float32]]:
    """Yield the probabilities of each date, (K, H, W); around the series lies what is not clear."""
    (height, width), halo, stride = series.shape, engine.card.halo_px, engine.card.stride_px
    rows, cols = (-(-size // stride) * stride + 2 * halo for size in series.shape)
    state = engine.start(rows, cols)
    for number, day in enumerate(series.days):
        chip = series.at([number]).window(-halo, -halo, rows, cols)
        state, probs = engine.step(state, chip.reflectance[0], chip.clear[0], int(day))
        yield probs[:, halo : halo + height, halo : halo + width].copy()


def _add(scores: Scorecard, name: str, chip: Chip, masks: NDArray[np.uint8], probs_TKHW: NDArray[np.float32]) -> float:
    """Add a series to the scores; return its mean IoU."""
    one, valid = Confusion(len(scores.classes)), chip.clear & (chip.target != MASK_NODATA)
    one.add(chip.target, masks, valid)
    scores.confusion.counts += one.counts
    if scores.change is not None:
        scores.change.add(chip.target, masks, valid)
    for t, day in enumerate(chip.days):
        scores.calibration.add(np.clip(probs_TKHW[t], 0, 1), chip.target[t], valid[t])
        scores.boundary.add(chip.target[t], masks[t], valid[t], image=(name, t))
        shown = np.where(chip.clear[t], masks[t], MASK_NODATA)
        told = f"{name}, {EPOCH + timedelta(days=int(day)):%Y-%m-%d}"
        scores.extremes.add(Example(told, chip.reflectance[t], chip.target[t], shown), valid[t])
    return one.mean_iou()
