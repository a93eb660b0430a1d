"""What lies beyond the defaults: other sensors' bands, spectra out of their ranges, faint scars, quick seasons."""

from __future__ import annotations

import dataclasses
from typing import cast

import numpy as np
import pytest

from geo.simulator.series import simulate
from geo.simulator.spec import SENSORS, Sensor, SeriesSpec, SpecRefused
from geo.simulator.spectra import RANGES, draw

SPEC = SeriesSpec("burned-area", 48, 48, res_m=20.0, dates=3, cloud_fraction=0.0, fire_chance=1.0)


def spectra(spec: SeriesSpec, name: str, count: int = 200) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.stack([draw(np.random.default_rng(seed), name, spec) for seed in range(count)])


def test_sensors_see_the_same_ground_in_their_own_bands() -> None:
    own = spectra(SPEC, "grass_green")
    for sensor in cast("tuple[Sensor, ...]", SENSORS):
        other = spectra(dataclasses.replace(SPEC, sensor=sensor), "grass_green")
        assert other.shape == own.shape
        assert np.allclose(other[:, 3], own[:, 3])  # the infrared plateau
        assert np.abs(other / own - 1).mean() < 0.2
    dove = spectra(dataclasses.replace(SPEC, sensor="dove"), "grass_green")
    assert (dove[:, 2] > own[:, 2]).mean() > 0.9  # its red reaches into the yellow, where leaves are brighter


@pytest.mark.parametrize("name", RANGES)
def test_spectral_spread_leaves_the_ranges(name: str) -> None:
    spread = spectra(dataclasses.replace(SPEC, spectral_spread=0.2), name)
    plain = spectra(SPEC, name)
    low, high = plain.min(0), plain.max(0)
    assert ((spread < 0.99 * low) | (spread > 1.01 * high)).any(0).all()
    assert np.log(spread / plain).std() == pytest.approx(0.2 * np.sqrt(1 + 1 / 9), rel=0.25)


def test_sparse_char_makes_fainter_scars() -> None:
    drops = []
    for share in ((0.2, 0.2), (1.2, 1.2)):
        spec = dataclasses.replace(SPEC, char_share=share, combustion=(0.5, 0.5), biome="savanna")
        made = [simulate(spec, seed) for seed in range(6)]
        drops.append(np.mean([(one.reflectance[0, 3] - one.reflectance[-1, 3])[one.burned[-1]].mean() for one in made]))
    assert drops[0] < drops[1]


def test_crowns_above_a_ground_fire_may_stay_green() -> None:
    greens = []
    for scorch in ((-0.3, 0.1), (0.25, 0.25), (0.6, 0.6)):
        spec = dataclasses.replace(SPEC, crown_scorch=scorch, biome="rainforest")
        made = [simulate(spec, seed) for seed in range(8)]
        under = [one.burned[-1] & one.trees[-1] for one in made]
        nir, red = (
            np.concatenate([one.reflectance[-1, b][at] for one, at in zip(made, under, strict=True)]) for b in (3, 2)
        )
        greens.append(np.mean((nir - red) / (nir + red)))
    assert greens == sorted(greens, reverse=True)
    assert greens[0] > greens[1] + 0.05


def test_flash_drying_makes_quicker_seasons() -> None:
    spec = dataclasses.replace(SPEC, fire_chance=0.0, biome="steppe", farming_strength=0.0, dates=12, gap_days=(30, 30))
    steepest = []
    for drying in (0.0, 1.0):
        made = [simulate(dataclasses.replace(spec, flash_drying=drying), seed) for seed in range(8)]
        nir, red = (np.stack([one.reflectance[:, band].mean((1, 2)) for one in made]) for band in (3, 2))
        steepest.append(np.abs(np.diff((nir - red) / (nir + red), axis=1)).max(1).mean())
    assert steepest[1] > steepest[0]


def test_defaults_stay_what_they_were() -> None:
    one, other = simulate(SPEC, 3), simulate(dataclasses.replace(SPEC, flash_drying=0.0, spectral_spread=0.0), 3)
    assert np.array_equal(one.reflectance, other.reflectance)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"sensor": "modis"}, "unknown sensor 'modis'; use one of superdove, dove"),
        ({"sensor": "landsat", "bands": 8}, "eight bands are the superdove's"),
        ({"char_share": (0.5, 0.2)}, "expected 0 < least char_share <= most"),
        ({"crown_scorch": (0.3, 0.1)}, "expected -1 <= least crown_scorch <= most <= 1"),
        ({"flash_drying": 1.5}, "expected flash_drying in 0..1"),
        ({"spectral_spread": -0.1}, "expected spectral_spread >= 0"),
    ],
)
def test_bad_magnitudes_are_refused(changes: dict[str, object], told: str) -> None:
    with pytest.raises(SpecRefused, match=told):
        dataclasses.replace(SPEC, **changes)  # type: ignore[arg-type]
