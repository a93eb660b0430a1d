"""Fixed test landscapes, of places and satellites that no training has seen: plain, cloudy, and of a new regime."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Literal

from geo.simulator.series import Series, simulate
from geo.simulator.spec import SATELLITES, UNSEEN_SATELLITES, SeriesSpec, Theme
from models.training.chips import HELD_OUT_SEEDS
from models.training.evaluate import held_out_spec

LANDSCAPES = 20
SIDE_PX = 256
CLOUDY = 0.6

KINDS = ("standard", "cloudy", "unseen regime")
YEARS_APART = "years apart"
"""A kind for trees alone: they grow again between looks three to five years apart."""

NO_FIRE = "no fire"
"""A kind for burned area alone: nothing burns there, and all that is called burned is a false alarm."""


def kinds_of(theme: Theme) -> tuple[str, ...]:
    """Return the kinds of landscapes that a theme has."""
    return (*KINDS, YEARS_APART if theme == "tree-cover" else NO_FIRE)


def spec_of(kind: str, theme: Theme) -> SeriesSpec:
    """Say what the landscapes of a kind are like.

    Args:
        kind: `standard` (PlanetScope, 3 m, ten dates, a quarter of the looks cloudy), `cloudy` (the same places, 60 %
            of the looks cloudy), `unseen regime` (grass fires of one to three days in savanna, seen by
            Landsat at 30 m: neither is ever trained on), of trees `years apart` (the standard places over some
            forty years, in which trees grow again), or of burned area `no fire` (the standard places, unburned).
        theme: what they are about.

    Raises:
        ValueError: the theme has no such kind.
    """
    standard = dataclasses.replace(held_out_spec(theme, SIDE_PX), satellites=UNSEEN_SATELLITES, fire_regime="slow")
    if kind == "standard":
        return standard
    if kind == "cloudy":
        return dataclasses.replace(standard, cloud_fraction=CLOUDY)
    if kind == "unseen regime":
        return dataclasses.replace(standard, fire_regime="fast-grass", biome="savanna", sensor="landsat", res_m=30.0)
    if kind == YEARS_APART and theme == "tree-cover":
        return dataclasses.replace(standard, gap_days=(1100, 1800), tree_growth=0.6)
    if kind == NO_FIRE and theme == "burned-area":
        return dataclasses.replace(standard, fire_chance=0.0)
    raise ValueError(f"unknown kind of {theme} landscapes {kind!r}; use one of {', '.join(kinds_of(theme))}")


def landscapes_of(
    kind: str, theme: Theme, landscapes: int = LANDSCAPES, split: Literal["validation", "test"] = "test"
) -> Iterator[Series]:
    """Simulate the landscapes of a kind, the same ones at every call; satellites of training see those to choose by."""
    spec = spec_of(kind, theme)
    if split == "validation":
        spec = dataclasses.replace(spec, satellites=SATELLITES)
    for seed in HELD_OUT_SEEDS[split][:landscapes]:
        yield simulate(spec, seed)
