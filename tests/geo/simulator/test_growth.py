"""Trees that grow: again where they went, and on open land; never unless it is asked for."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from geo.indices import normalised_difference
from geo.simulator.ground import BARE
from geo.simulator.growth import Growth, grow_trees
from geo.simulator.landscape import make_land
from geo.simulator.series import Series, simulate
from geo.simulator.spec import SeriesSpec, SpecRefused

YEAR = 365
ARCHIVE = SeriesSpec(
    "tree-cover", 48, 48, res_m=20.0, dates=9, gap_days=(3 * YEAR, 4 * YEAR), biome="rainforest",
    clearing_chance=1.0, clearing_share=(0.4, 0.6), fire_chance=0.0, cloud_fraction=0.0, tree_growth=1.0,
)  # fmt: skip
SEEDS = range(4)


def archive(seed: int, **changes: Any) -> Series:
    return simulate(dataclasses.replace(ARCHIVE, **changes), seed)


def again(series: Series) -> NDArray[np.bool_]:
    """Pixels whose trees went and have come again by the last look."""
    grown: NDArray[np.bool_] = (series.loss_day > 0) & series.trees[-1]
    return grown


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_cut_grows_again_only_after_the_cut(seed: int) -> None:
    series = archive(seed)
    grown = again(series)
    assert grown.sum() > 50
    trees = series.trees[:, grown]
    assert (~trees).any(0).mean() > 0.9  # three years between looks miss few cuts
    before = series.days[:, None] < series.loss_day[grown]
    assert trees[before].all()


@pytest.mark.parametrize("seed", SEEDS)
def test_trees_come_up_on_open_land_too(seed: int) -> None:
    series = archive(seed, biome="savanna", clearing_chance=0.0)
    came = ~series.trees[0] & series.trees[-1]
    assert came.sum() > 20
    assert not series.loss_day.any()
    assert (series.trees[1:] >= series.trees[:-1]).all()


def test_land_with_new_trees_looks_like_trees() -> None:
    for seed in SEEDS:
        series = archive(seed, season_strength=0.0, farming_strength=0.0)
        ndvi = normalised_difference(series.reflectance[:, 3], series.reflectance[:, 2])
        seen = again(series) & ~series.trees[-4]
        if seen.sum() < 30:
            continue
        standing = series.trees.all(0)
        last_gap = abs(ndvi[-1][seen].mean() - ndvi[-1][standing].mean())
        gap_while_gone = np.mean(ndvi[-4][standing]) - np.mean(ndvi[-4][seen])
        assert last_gap < 0.5 * abs(gap_while_gone)
        return
    pytest.fail("no landscape had enough trees that came again late")


def test_no_trees_grow_unless_it_is_asked_for() -> None:
    plain = archive(1, tree_growth=0.0)
    assert (plain.trees[1:] <= plain.trees[:-1]).all()
    assert not again(plain).any()
    still, growing = archive(1, tree_growth=0.0, dates=2), archive(1, dates=2)
    np.testing.assert_array_equal(still.reflectance[0], growing.reflectance[0])
    np.testing.assert_array_equal(still.loss_day, growing.loss_day)


def test_crowns_cover_half_of_what_they_will_at_the_half_and_all_of_it_in_the_end() -> None:
    growth = Growth(
        begin=np.array([[0, 1000, 1000]], np.int32), full=np.array([[0.9, 0.9, 0.6]], np.float32),
        half_days=np.array([[500, 500, 2000]], np.float32),
    )  # fmt: skip
    assert not growth.crowns(1000).any()
    assert growth.crowns(1500)[0, :2] == pytest.approx([0, 0.45], abs=1e-3)
    assert growth.crowns(3000)[0, 2] == pytest.approx(0.3, abs=1e-3)
    assert growth.crowns(60_000)[0] == pytest.approx([0, 0.9, 0.6], abs=1e-3)
    days = np.stack([growth.crowns(day) for day in range(900, 9000, 100)])
    assert (np.diff(days, axis=0) >= 0).all()


def test_no_trees_grow_from_before_they_went_nor_on_water_roads_and_rock() -> None:
    spec = dataclasses.replace(ARCHIVE, height=64, width=64)
    days = np.array([18_000, 22_000, 26_000], np.int32)
    for seed in range(12):
        land = make_land(spec, np.random.default_rng(seed))
        bared = np.where(land.trees, 20_000, 0).astype(np.int32)
        growth = grow_trees(spec, land, bared, days, np.random.default_rng(seed))
        assert growth.begin[land.trees].min() > 20_000
        assert not growth.begin[land.kind >= BARE].any()
        assert not growth.begin[(land.canopy > 0.05) & ~land.trees].any()
        assert 0 <= growth.full.min() <= growth.full.max() <= 1


def test_growth_is_a_share_and_takes_days() -> None:
    with pytest.raises(SpecRefused, match=r"tree_growth in 0\.\.1"):
        dataclasses.replace(ARCHIVE, tree_growth=1.5)
    with pytest.raises(SpecRefused, match="tree_growth_days"):
        dataclasses.replace(ARCHIVE, tree_growth_days=(0.0, 100.0))
