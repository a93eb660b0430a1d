"""Single dates of simulated series, drawn while training."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence

import numpy as np

from geo.bands import PLANETSCOPE_4
from geo.simulator.spec import SeriesSpec, Theme
from models.training.chips import TRAIN_SEEDS, VALIDATION_SEEDS, Chip, draw_chip
from models.training.class_weights import ClassFrequencies
from models.training.config import RES_M, DataConfig
from models.training.data_config import DatesConfig
from models.training.datasets.source import Picture, picture_of
from models.training.written import plain

HELD_OUT_SERIES = 12
COUNTED_SERIES = 32


class SimulatedDates:
    """Dates of simulated series; a date's truth is that of the ground at the date."""

    def __init__(self, theme: Theme, data: DatesConfig) -> None:
        self._theme, self._data = theme, data
        self.bands = PLANETSCOPE_4
        self.res_m = (min(RES_M), max(RES_M))
        self.about = ABOUT
        self.notes: tuple[str, ...] = ()
        self.fingerprint = fingerprint_simulator(theme, data)
        self.per_draw = data.looks

    def draw(self, rng: np.random.Generator) -> list[Chip]:
        """Draw `looks` dates of one series; see `Source`."""
        seed = int(rng.integers(TRAIN_SEEDS.start, TRAIN_SEEDS.stop))
        series = draw_chip(self._theme, self._data, self._data.dates, seed, rng)
        return [one_date(series, int(t)) for t in rng.permutation(self._data.dates)[: self._data.looks]]

    def pictures(self, split: str) -> Sequence[Picture]:
        """Return dates of the first landscapes of a split, the same ones at every call; see `Source`."""
        seeds = (VALIDATION_SEEDS if split == "held-out" else TRAIN_SEEDS)[:HELD_OUT_SERIES]
        return [picture_of(f"landscape {seed}", chip) for seed in seeds for chip in self._series(seed)]

    def frequencies(self, classes: int) -> ClassFrequencies:
        """Count the classes of the first training landscapes; see `Source`."""
        counted = ClassFrequencies(classes)
        for seed in TRAIN_SEEDS[:COUNTED_SERIES]:
            for chip in self._series(seed):
                counted.add(chip.target, chip.clear)
        return counted

    def _series(self, seed: int) -> list[Chip]:
        rng = np.random.default_rng(seed)
        series = draw_chip(self._theme, self._data, self._data.dates, seed, rng)
        return [one_date(series, int(t)) for t in rng.permutation(self._data.dates)[: self._data.looks]]


ABOUT = "simulated series only (geo.simulator), landscapes 0-9999; no real image was used"


def one_date(series: Chip, date: int) -> Chip:
    """Take one date out of a series."""
    at = slice(date, date + 1)
    return Chip(series.reflectance[at], series.clear[at], series.days[at], series.target[at])


def fingerprint_simulator(theme: Theme, data: DataConfig | DatesConfig) -> str:
    """SHA-256 of everything that says what is simulated: ranges, seeds, and the simulator's own magnitudes."""
    facts = {
        "data": plain(data),
        "simulator": dataclasses.asdict(SeriesSpec(theme=theme)),
        "train": [TRAIN_SEEDS.start, TRAIN_SEEDS.stop],
        "validation": [VALIDATION_SEEDS.start, VALIDATION_SEEDS.stop],
        "res_m": RES_M,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
