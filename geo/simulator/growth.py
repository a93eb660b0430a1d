"""Trees that grow: again where they were cut or burned down, and on open land that is left to itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geo.simulator.cover import Cover
from geo.simulator.ground import FIELD
from geo.simulator.landscape import Land
from geo.simulator.noise import Floats, Ints, fractal
from geo.simulator.spec import SeriesSpec

_HALF = 1.2279
"""Where (1 - exp(-x)) ** 2 is a half."""
_MOST_FALLOW_DAYS = 1500
"""Longest use of cleared land before trees grow on it again."""
_OPEN = 0.05
"""Crown cover below which land counts as open."""
_OPEN_SHARE = 0.4
"""Share of `tree_growth` with which trees come up on open land; fields are given up rarely."""


@dataclass(frozen=True)
class Growth:
    """Where and when crowns come. Maps are (height, width).

    Attributes:
        begin: days since 1970-01-01 from which trees grow, 0 where none do.
        full: share of the pixel that crowns cover in the end, 0..1.
        half_days: days until crowns cover half of `full`.
    """

    begin: Ints
    full: Floats
    half_days: Floats

    def crowns(self, day: int) -> Floats:
        """Share of each pixel under crowns that have grown by a day, 0..1.

        Source: Chapman-Richards growth with exponent 2 (Richards 1959, J. Exp. Bot. 10, 290-301).
        """
        crowns = np.zeros(self.begin.shape, np.float32)
        at = (self.begin > 0) & (self.begin < day)
        age = (day - self.begin[at]).astype(np.float32) / self.half_days[at]
        crowns[at] = self.full[at] * (1 - np.exp(np.float32(-_HALF) * age)) ** 2
        return crowns


def grow_trees(spec: SeriesSpec, land: Land, bared_day: Ints, days: Ints, rng: np.random.Generator) -> Growth:
    """Let trees grow on some patches of the land.

    Args:
        spec: what is asked.
        land: the land at the start.
        bared_day: last day on which trees were cut or killed, or what was left of them burned; 0 where none were.
        days: (dates,) days of the looks.
        rng: source of chance.
    """
    patches = land.patches
    waits = rng.integers(30, _MOST_FALLOW_DAYS, patches).take(land.patch)
    again = (rng.uniform(size=patches) < spec.tree_growth).take(land.patch) & (bared_day > 0)
    given_up = rng.uniform(size=patches) < spec.tree_growth * _OPEN_SHARE
    given_up[land.first_field :] &= rng.uniform(size=patches - land.first_field) < 0.5
    open_land = (land.canopy < _OPEN) & (land.kind <= FIELD) & (bared_day == 0)
    first, last = int(days[0]), max(int(days[-1]), int(days[0]) + 1)
    left = rng.integers(first, last, patches).take(land.patch)
    begin = np.where(again, bared_day + waits, np.where(given_up.take(land.patch) & open_land, left, 0))
    dense = np.float32(0.15) * fractal(rng, spec.shape, 25 / spec.res_m) + rng.uniform(0.6, 1, patches).take(land.patch)
    half_days = rng.uniform(*spec.tree_growth_days, patches).take(land.patch)
    return Growth(
        begin=begin.astype(np.int32),
        full=np.where(again, land.canopy, np.clip(dense, 0, 1)).astype(np.float32),
        half_days=(half_days * np.exp(0.25 * fractal(rng, spec.shape, 15 / spec.res_m))).astype(np.float32),
    )


def grow(cover: Cover, crowns: Floats, leaves: Floats) -> None:
    """Put crowns that have grown over what is there, in place.

    Args:
        cover: changed.
        crowns: (height, width) from `Growth.crowns`.
        leaves: (height, width) share of the leaves that is green.
    """
    green = crowns * leaves
    np.maximum(cover.live, green, out=cover.live)
    cover.dead *= 1 - crowns
    np.maximum(cover.dead, crowns - green, out=cover.dead)
