"""Every score of a checkpoint on held-out simulated series, run as a job runs it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from geo.simulator.series import Series, simulate, truth
from geo.simulator.spec import Theme
from models.card import MASK_NODATA, Card
from models.engine import Engine, State
from models.training.chips import TEST_SEEDS, VALIDATION_SEEDS
from models.training.evaluate import held_out_spec, masks_of
from models.training.scorecard import Scorecard
from models.training.watching import Example

EPOCH = date(1970, 1, 1)


class Overheard:
    """An engine whose probabilities are kept: one walk over a series gives its masks and what they were sure of."""

    def __init__(self, inner: Engine) -> None:
        self._inner, self._said = inner, list[NDArray[np.float32]]()

    def __getattr__(self, name: str) -> Any:
        """Do whatever else the engine does."""
        return getattr(self._inner, name)

    @property
    def card(self) -> Card:
        """The card of the engine."""
        return self._inner.card

    def start(self, height: int, width: int) -> State:
        """Begin another series; what was said of the last one is forgotten."""
        self._said.clear()
        return self._inner.start(height, width)

    def step(
        self, state: State, reflectance: NDArray[np.float32], clear: NDArray[np.bool_], day: int
    ) -> tuple[State, NDArray[np.float32]]:
        """Take one date in; see `models.engine.Engine`."""
        after, probs = self._inner.step(state, reflectance, clear, day)
        self._said.append(probs.copy())
        return after, probs

    def said(self, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Return the probabilities of every date of the last series, (T, K, H, W), without the halo around it."""
        halo = self.card.halo_px
        return np.stack(self._said)[:, :, halo : halo + shape[0], halo : halo + shape[1]]


def score_series(
    engine: Engine, theme: Theme, *, split: Literal["validation", "test"], series: int, side_px: int = 256
) -> Scorecard:
    """Score a network on held-out simulated series, each pixel at every date from its first clear look on.

    Chips are ranked by the pixels that are clear at their date: elsewhere a mask cannot know better.

    Args:
        engine: of any family.
        theme: what the landscapes are about; the card's legend is the theme's.
        split: validation or test landscapes.
        series: number of landscapes.
        side_px: their edge.
    """
    scores, heard = Scorecard(engine.card.classes, series=True), Overheard(engine)
    for seed in (VALIDATION_SEEDS if split == "validation" else TEST_SEEDS)[:series]:
        made = simulate(held_out_spec(theme, side_px), seed)
        masks = masks_of(heard, made)
        _add(scores, made, masks, heard.said(made.spec.shape), seed)
    return scores


def _add(scores: Scorecard, made: Series, masks: NDArray[np.uint8], probs_TKHW: NDArray[np.float32], seed: int) -> None:
    true, seen = truth(made), masks != MASK_NODATA
    scores.confusion.add(true, masks, seen)
    if scores.change is not None:
        scores.change.add(true, masks, seen)
    for t, day in enumerate(made.days):
        scores.calibration.add(np.clip(probs_TKHW[t], 0, 1), true[t], seen[t])
        scores.boundary.add(true[t], masks[t], seen[t], image=(seed, t))
        name = f"landscape {seed}, {EPOCH + timedelta(days=int(day)):%Y-%m-%d}"
        shown = np.where(made.clear[t], masks[t], MASK_NODATA)
        scores.extremes.add(Example(name, made.reflectance[t], true[t], shown), made.clear[t])
