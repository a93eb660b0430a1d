"""The year: greenness of each patch by day, sowing, harvest and ploughing of fields."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from geo.simulator.landscape import Land
from geo.simulator.noise import Floats
from geo.simulator.spec import SeriesSpec

YEAR_DAYS = 365.25


@dataclass(frozen=True)
class PatchState:
    """State of every patch on one day; all (patches,) float32.

    Attributes:
        green: share of the herbs that is green, 0..1.
        cover: herb cover relative to the land's own; fields have their own cover instead.
        leaves: share of the trees' leaves that is green, 0..1.
        wet: darkening of the soil by moisture or fresh ploughing, 0..1.
    """

    green: Floats
    cover: Floats
    leaves: Floats
    wet: Floats


class Calendar:
    """How the patches of a land go through the year."""

    def __init__(self, spec: SeriesSpec, land: Land, rng: np.random.Generator) -> None:
        self._strength, self._farming = spec.season_strength, spec.farming_strength
        count = land.patches
        self._first_field = land.first_field
        centre = 200 if spec.latitude_deg >= 0 else 20  # middle of the growing season
        self._peak = (centre + rng.normal(0, 25) + rng.normal(0, 12, count)).astype(np.float32)
        self._low = np.clip(land.dry_green + 0.12 * rng.standard_normal(count), 0, 1).astype(np.float32)
        self._high = np.clip(rng.uniform(0.7, 1) + 0.08 * rng.standard_normal(count), 0.3, 1).astype(np.float32)
        self._low = np.minimum(self._low, self._high)
        self._sharp = float(rng.uniform(0.7, 2.5))
        self._fall = np.clip(land.leaf_fall * rng.uniform(0.5, 1.5, count), 0, 0.9).astype(np.float32)
        fields = count - land.first_field
        self._fallow = rng.uniform(size=fields) < 0.2
        self._sown = rng.uniform(0, YEAR_DAYS, 3)[rng.integers(0, 3, fields)] + rng.normal(0, 12, fields)
        self._season = rng.uniform(80, 170, fields)
        self._plough_wait = rng.uniform(5, 120, fields)
        self._crop_cover = rng.uniform(0.6, 1, fields)
        self._stubble = rng.uniform(0.3, 0.9, fields)
        self._rain = (float(rng.uniform(0, 30)), float(rng.uniform(0.5, 3)))
        if spec.flash_drying > 0 and rng.uniform() < spec.flash_drying:
            self._sharp *= float(rng.uniform(2, 8))

    def on(self, day: int) -> PatchState:
        """State on a day (days since 1970-01-01)."""
        doy = day % YEAR_DAYS
        wave = 0.5 + 0.5 * np.cos((doy - self._peak) * np.float32(2 * math.pi / YEAR_DAYS))
        season = wave ** np.float32(self._sharp)
        steady = np.float32(0.5) * (self._low + self._high)
        green = self._low + (self._high - self._low) * season
        green = steady + np.float32(self._strength) * (green - steady)
        leaves = 1 - np.float32(self._strength) * self._fall * (1 - season)
        cover = np.ones_like(green)
        wet = np.full_like(green, self._strength * 0.25 * max(0.0, math.sin(day / self._rain[1] + self._rain[0])))
        self._farm(day if self._farming > 0 else 0, green, cover, wet)
        return PatchState(
            np.clip(green, 0, 1).astype(np.float32), cover.astype(np.float32),
            leaves.astype(np.float32), np.clip(wet, 0, 1).astype(np.float32),
        )  # fmt: skip

    def _farm(self, day: int, green: Floats, cover: Floats, wet: Floats) -> None:
        """Crops: grow, ripen, are cut; the field lies in stubble, then is ploughed and dries."""
        age = (day - self._sown) % YEAR_DAYS
        ripe = age / self._season
        grown = np.clip(ripe / 0.5, 0.02, 1) ** 1.5
        crop_green = np.clip((1.0 - ripe) / 0.25, 0, 1)
        after = age - self._season
        stubble = after >= 0
        ploughed = after >= self._plough_wait
        cover_now = np.where(ploughed, 0.03, np.where(stubble, self._stubble, grown * self._crop_cover))
        green_now = np.where(stubble, 0.03, crop_green)
        fresh = np.where(ploughed, np.exp(-(after - self._plough_wait) / 25), 0)
        fields = slice(self._first_field, None)
        cover[fields] = np.where(self._fallow, cover[fields], cover_now)
        green[fields] = np.where(self._fallow, green[fields], green_now)
        wet[fields] = np.where(self._fallow, wet[fields], 0.15 + 0.75 * fresh)
