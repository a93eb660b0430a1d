"""Fires before the first look: their scars are there, and are none of the series' own."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from geo.simulator.series import simulate
from geo.simulator.spec import SeriesSpec, SpecRefused

PLAIN = SeriesSpec(
    "burned-area", 64, 64, res_m=10.0, dates=4, biome="savanna", fire_chance=1.0, cloud_fraction=0.0,
    haze_reflectance=0.0, smoke_reflectance=0.0, noise_reflectance=0.0, jitter_px=0.0, fire_share=(0.3, 0.5),
)  # fmt: skip
NIR = 3
SEEDS = range(6)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_scar_is_seen_at_the_first_look_and_is_not_burned(seed: int) -> None:
    before, after = simulate(PLAIN, seed), simulate(dataclasses.replace(PLAIN, earlier_fire_chance=1.0), seed)
    scar = np.abs(after.reflectance[0, NIR] - before.reflectance[0, NIR]) > 0.01
    assert scar.mean() > 0.1
    assert not after.burned[0].any()
    assert not (after.burned & ~before.burned).any()  # it takes fuel away, and adds no fire
    assert np.array_equal(after.days, before.days)


def test_nothing_burns_twice() -> None:
    earlier = dataclasses.replace(PLAIN, earlier_fire_chance=1.0)
    spared = [simulate(PLAIN, seed).burned[-1] & ~simulate(earlier, seed).burned[-1] for seed in SEEDS]
    assert np.mean(spared) > 0.05


def test_a_chance_of_none_is_the_series_of_before() -> None:
    spec = dataclasses.replace(PLAIN, earlier_fire_chance=1e-9)
    for seed in SEEDS:
        assert np.array_equal(simulate(PLAIN, seed).reflectance, simulate(spec, seed).reflectance)


def test_trees_are_followed_from_those_of_the_start() -> None:
    with pytest.raises(SpecRefused, match="earlier_fire_chance 0 for tree-cover"):
        SeriesSpec("tree-cover", earlier_fire_chance=0.1)
    with pytest.raises(SpecRefused, match="earlier_fire_chance in"):
        SeriesSpec("burned-area", earlier_fire_chance=1.1)
