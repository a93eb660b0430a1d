"""Every score of a checkpoint on series, simulated or in files, run as a job runs it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from geo.simulator.series import truth
from geo.simulator.spec import Theme
from models.card import MASK_NODATA
from models.engine import Engine
from models.errors import DataRefused
from models.settling import settle
from models.training.chips import Chip
from models.training.datasets.series import Series
from models.training.evaluate import FollowedScores, Look, held_out_series, held_out_spec, walked
from models.training.metrics import Confusion
from models.training.scorecard import Scorecard


def score_series(
    engine: Engine, theme: Theme, *, split: Literal["validation", "test"], series: int, side_px: int = 256
) -> tuple[Scorecard, dict[str, float]]:
    """Score a network on held-out simulated series, each pixel at every date from its first clear look on.

    Args:
        engine: of any family.
        theme: what the landscapes are about; the card's legend is the theme's.
        split: validation or test landscapes.
        series: number of landscapes.
        side_px: their edge.

    Returns:
        All scores, and those of the followed class as cards tell them (`models.training.evaluate.evaluate`).
    """
    scores = Scorecard(engine.card.classes, series=True)
    followed = FollowedScores(theme, held_out_spec(theme, side_px).dates)
    for made in held_out_series(theme, split, series, side_px):
        looks = zip(made.reflectance, made.clear, made.days, strict=True)
        masks, probs = _masks_and_probs(engine, made.spec.shape, looks)
        chip = Chip(made.reflectance, made.clear, made.days.astype(np.float32), truth(made).astype(np.int64))
        scores.add_series(f"landscape {made.seed}", chip, masks, probs, masks != MASK_NODATA)
        followed.add(made, masks)
    return scores, followed.told()


def score_file_series(engine: Engine, series: Sequence[Series]) -> tuple[Scorecard, dict[str, float]]:
    """Score a network on series in files: clear pixels whose truth is known count.

    Args:
        engine: of any family.
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
        masks, probs = _masks_and_probs(engine, one.shape, _looks(one))
        chip = one.at(range(len(one.days))).window(0, 0, *one.shape)
        valid = chip.clear & (chip.target != MASK_NODATA)
        scores.add_series(one.name, chip, masks, probs, valid)
        counts = Confusion(len(scores.classes))
        counts.add(chip.target, masks, valid)
        by_series[one.name] = counts.mean_iou()
    return scores, by_series


def _looks(series: Series) -> Iterator[Look]:
    for number, day in enumerate(series.days):
        chip = series.at([number]).window(0, 0, *series.shape)
        yield chip.reflectance[0], chip.clear[0], float(day)


def _masks_and_probs(
    engine: Engine, shape: tuple[int, int], looks: Iterable[Look]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    probs_TKHW = np.stack([*walked(engine, shape, looks)])
    return np.stack([*settle(probs_TKHW, lasting=engine.card.change.lasting)]), probs_TKHW
