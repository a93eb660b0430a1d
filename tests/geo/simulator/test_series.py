from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import numpy as np
import pytest

from geo.simulator.series import EPOCH, Series, simulate, truth
from geo.simulator.spec import BIOMES, SeriesSpec, SpecRefused

SMALL = SeriesSpec("burned-area", height=37, width=53, res_m=10.0, dates=5)
STILL: dict[str, Any] = {
    "cloud_fraction": 0.0, "haze_reflectance": 0.0, "smoke_reflectance": 0.0, "gain_spread": 0.0,
    "offset_spread_reflectance": 0.0, "date_gain_spread": 0.0, "noise_reflectance": 0.0, "jitter_px": 0.0,
    "psf_px": 0.0, "season_strength": 0.0, "farming_strength": 0.0, "udm2_error": 0.0, "terrain_relief_m": 0.0,
}  # fmt: skip


def _arrays(series: Series) -> dict[str, np.ndarray[Any, Any]]:
    return {name: value for name, value in vars(series).items() if isinstance(value, np.ndarray)}


@pytest.mark.parametrize("theme", ["burned-area", "tree-cover"])
def test_the_same_seed_gives_the_same_series_and_another_seed_another(theme: Any) -> None:
    spec = replace(SMALL, theme=theme)
    first, again, other = simulate(spec, 3), simulate(spec, 3), simulate(spec, 4)
    for name, values in _arrays(first).items():
        np.testing.assert_array_equal(values, _arrays(again)[name], err_msg=name)
    assert first.times == again.times
    assert first.satellites == again.satellites
    assert not np.array_equal(first.reflectance, other.reflectance)


@pytest.mark.parametrize("bands", [4, 8])
def test_shapes_and_ranges(bands: int) -> None:
    series = simulate(replace(SMALL, bands=bands), 1)
    assert series.reflectance.shape == (5, bands, 37, 53)
    assert series.reflectance.dtype == np.float32
    assert 0 < series.reflectance.min() <= series.reflectance.max() <= 1.5
    assert series.clear.shape == series.truly_clear.shape == series.burned.shape == series.trees.shape == (5, 37, 53)
    assert series.burn_day.shape == series.loss_day.shape == (37, 53)
    for day, time in zip(series.days, series.times, strict=True):
        assert (time - EPOCH) // timedelta(days=1) == day
    gaps = np.diff(series.days)
    assert SMALL.gap_days[0] <= gaps.min() <= gaps.max() <= SMALL.gap_days[1]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("regime", ["slow", "fast-grass"])
def test_burned_grows_and_begins_on_the_day_of_arrival(seed: int, regime: Any) -> None:
    series = simulate(replace(SMALL, fire_regime=regime, fire_chance=1.0, fire_share=(0.2, 0.5)), seed)
    burned, days = series.burned, series.days
    assert not burned[0].any()
    assert (burned[1:] >= burned[:-1]).all()
    assert np.array_equal(burned[-1], series.burn_day > 0)
    assert 0.05 < burned[-1].mean() <= 0.5
    arrived = series.burn_day[burned[-1]]
    assert arrived.min() > days[0]
    assert arrived.max() <= days[-1]
    first_seen = days[burned.argmax(0)][burned[-1]]
    before = days[burned.argmax(0) - 1][burned[-1]]
    assert ((before < arrived) & (arrived <= first_seen)).all()


@pytest.mark.parametrize("seed", range(4))
def test_trees_only_go_and_go_on_their_day(seed: int) -> None:
    spec = replace(SMALL, theme="tree-cover", biome="rainforest", clearing_chance=1.0, clearing_share=(0.3, 0.5))
    series = simulate(spec, seed)
    trees = series.trees
    assert (trees[1:] <= trees[:-1]).all()
    lost = trees[0] & ~trees[-1]
    assert np.array_equal(lost, series.loss_day > 0)
    assert lost.sum() > 0.05 * trees[0].sum()
    assert np.array_equal(truth(series), trees.astype(np.uint8))


def test_nothing_happens_where_nothing_may_happen() -> None:
    series = simulate(replace(SMALL, fire_chance=0.0, clearing_chance=0.0, **STILL), 2)
    assert not series.burned.any()
    assert not series.loss_day.any()
    assert series.clear.all()
    # the sun alone moves, and on flat ground it changes nothing
    spread = np.ptp(series.reflectance, axis=0)
    assert spread.max() < 2e-3


@pytest.mark.parametrize(
    ("name", "value"),
    [("gain_spread", 0.1), ("offset_spread_reflectance", 0.02), ("noise_reflectance", 0.02),
     ("haze_reflectance", 0.1), ("jitter_px", 1.0), ("date_gain_spread", 0.1)],
)  # fmt: skip
def test_each_magnitude_alone_moves_the_pixels(name: str, value: float) -> None:
    spec = replace(SMALL, fire_chance=0.0, clearing_chance=0.0, **STILL)
    spread = np.ptp(simulate(replace(spec, **cast(dict[str, Any], {name: value})), 2).reflectance, axis=0)
    assert spread.mean() > 3e-3


def test_fire_darkens_the_infrared() -> None:
    for seed in range(6):
        spec = replace(SMALL, fire_chance=1.0, fire_share=(0.3, 0.4), clearing_chance=0.0, **STILL)
        series = simulate(spec, seed)
        change = series.reflectance[-1, 3] - series.reflectance[0, 3]
        assert change[series.burned[-1]].mean() < change[~series.burned[-1]].mean() - 0.03


@pytest.mark.parametrize("asked", [0.0, 0.3, 0.6])
def test_cloud_share_is_near_the_asked(asked: float) -> None:
    spec = replace(SMALL, dates=12, cloud_fraction=asked, udm2_error=0.0)
    cloudy = np.mean([np.mean([mask.cloud for mask in simulate(spec, seed).masks]) for seed in range(4)])
    assert cloudy == pytest.approx(asked, abs=0.08)


def test_a_perfect_mask_is_the_truth_and_an_imperfect_one_is_not() -> None:
    perfect = simulate(replace(SMALL, udm2_error=0.0), 5)
    assert np.array_equal(perfect.clear, perfect.truly_clear)
    imperfect = simulate(replace(SMALL, udm2_error=1.0), 5)
    agreement = np.mean(imperfect.clear == imperfect.truly_clear)
    assert 0.7 < agreement < 1


@pytest.mark.parametrize("biome", BIOMES)
def test_every_biome(biome: Any) -> None:
    series = simulate(replace(SMALL, biome=biome, dates=2), 0)
    assert series.biome == biome
    assert np.isfinite(series.reflectance).all()


def test_one_date_and_tiny_pixels_and_large_ones() -> None:
    assert simulate(replace(SMALL, dates=1), 0).burned.sum() == 0
    for res_m in (3.0, 30.0):
        assert np.isfinite(simulate(replace(SMALL, res_m=res_m, height=8, width=9), 0).reflectance).all()


@pytest.mark.parametrize(
    "wrong",
    [{"theme": "snow"}, {"bands": 5}, {"height": 2}, {"dates": 0}, {"gap_days": (0, 3)}, {"gap_days": (5, 3)},
     {"fire_share": (0.5, 1.2)}, {"noise_reflectance": -1.0}, {"cloud_fraction": 1.1}, {"satellites": ()},
     {"satellites": ("xyz1",)}, {"biome": "moon"}, {"jitter_px": 2.0}, {"res_m": float("nan")}],
)  # fmt: skip
def test_a_wrong_spec_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecRefused):
        SeriesSpec(**{"theme": "burned-area", **wrong})
