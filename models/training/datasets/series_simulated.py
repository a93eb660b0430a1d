"""Simulated series, drawn while training; validation landscapes are held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import nn

from geo.bands import PLANETSCOPE_4
from geo.simulator.spec import Theme
from models.recurrent_unet import RecurrentUNet
from models.training.chips import TRAIN_SEEDS, Chip, draw_chip
from models.training.config import DataConfig
from models.training.datasets.simulated import ABOUT, fingerprint_simulator
from models.training.evaluate import evaluate
from models.training.hard_series import misleading_looks
from models.training.watching import Example

SCORED_SERIES = 6


class SimulatedSeries:
    """Series of the simulator; what a date's truth is, the ground was at the date. See `SeriesSource`."""

    def __init__(self, theme: Theme, data: DataConfig) -> None:
        self._theme, self._data = theme, data
        self.bands, self.res_m = PLANETSCOPE_4, (min(data.res_m), max(data.res_m))
        self.about, self.notes = ABOUT, tuple[str, ...]()
        self.fingerprint = fingerprint_simulator(theme, data)

    def draw(self, dates: int, rng: np.random.Generator) -> Chip:
        """Simulate a training landscape, or the hardest of some; see `SeriesSource`."""
        drawn = (self._draw(dates, rng) for _ in range(self._data.hardest_of))
        return max(drawn, key=lambda chip: misleading_looks(self._theme, chip))

    def _draw(self, dates: int, rng: np.random.Generator) -> Chip:
        seed = int(rng.integers(TRAIN_SEEDS.start, TRAIN_SEEDS.stop))
        return draw_chip(self._theme, self._data, dates, seed, rng)

    def score(self, net: nn.Module) -> tuple[Mapping[str, float], Sequence[Example]]:
        """Score on validation landscapes; see `SeriesSource`."""
        if not isinstance(net, RecurrentUNet):
            raise TypeError(f"expected a RecurrentUNet; got {type(net).__name__}")
        return evaluate(net, self._theme, split="validation", series=SCORED_SERIES), ()
