"""Gain, haze and clouds do to the light what they say, and the clear mask knows of what it should."""

from __future__ import annotations

import math

import numpy as np
import pytest

from geo.simulator.atmosphere import CLOUDY, SHADED
from models.errors import ConfigRefused
from models.training.augmentations.sky import Cloud, Gain, Haze, clouded, draw_clouds
from tests.models.training.chip import flat_chip, make_chip, same


def test_gain_is_one_factor_per_date_and_band() -> None:
    chip = flat_chip(0.2)
    bright = Gain(chance=1, per_date=0.1, per_band=0)(chip, np.random.default_rng(0)).reflectance / chip.reflectance
    assert np.ptp(bright, axis=(1, 2, 3)).max() == 0
    assert len(np.unique(bright)) == 4
    gains = [
        Gain(chance=1, per_date=0.3, per_band=0.4)(chip, np.random.default_rng(s)).reflectance / 0.2 for s in range(300)
    ]
    logs = np.log(np.array(gains)[..., 0, 0])
    assert np.ptp(np.array(gains), axis=(-2, -1)).max() == 0
    assert logs.std() == pytest.approx(0.5, abs=0.03)
    assert (logs - logs.mean(-1, keepdims=True)).std() == pytest.approx(0.4 * math.sqrt(3 / 4), abs=0.03)


def test_gain_leaves_masks_truth_and_dates() -> None:
    chip = make_chip(1)
    bright = Gain(chance=1)(chip, np.random.default_rng(1))
    assert np.array_equal(bright.clear, chip.clear)
    assert np.array_equal(bright.target, chip.target)
    assert bright.reflectance.dtype == np.float32


def test_haze_adds_its_share_to_every_band_and_takes_contrast() -> None:
    haze = Haze(chance=1, max_reflectance=0.1)
    dark, bright = (haze(flat_chip(value), np.random.default_rng(2)).reflectance for value in (0, 1))
    assert dark.min() >= 0
    assert dark.max() > 0.01
    assert np.allclose(dark, dark[:, :1] * np.array(haze.per_band, np.float32)[:, None, None], atol=1e-6)
    assert np.allclose(bright - dark, 1 - 1.3 * dark, atol=1e-5)
    clear = haze(flat_chip(0), np.random.default_rng(2)).clear
    assert clear.all()


def test_haze_asks_for_one_share_per_band() -> None:
    with pytest.raises(ConfigRefused, match=r"haze\.per_band: expected 4 values, one per band; got \(1, 1\)"):
        Haze(per_band=(1, 1))(flat_chip(0.1), np.random.default_rng(0))


def test_a_cloud_by_hand() -> None:
    image = np.full((2, 1, 3), 0.4, np.float32)
    opacity, shade = np.array([[0, 1, 0.5]], np.float32), np.array([[0.5, 0, 0.5]], np.float32)
    assert np.allclose(clouded(image, opacity, shade, 0.8), [[[0.2, 0.8, 0.5]]] * 2)


@pytest.mark.parametrize("seed", range(6))
def test_the_clear_mask_learns_of_clouds_and_shadows(seed: int) -> None:
    chip = make_chip(seed, dates=6)
    ground = np.full_like(chip.reflectance, 0.3)
    chip = type(chip)(ground, chip.clear, chip.days, chip.target)
    cloudy = Cloud(chance=0.7)(chip, np.random.default_rng(seed))
    change = np.abs(cloudy.reflectance - 0.3).max(1)
    assert np.array_equal(cloudy.target, chip.target)
    assert not cloudy.clear[~chip.clear].any()
    assert change[cloudy.clear].max() <= 0.3 * SHADED + 0.9 * CLOUDY
    hidden = chip.clear & ~cloudy.clear
    assert hidden.any()
    assert change[hidden].min() > 0
    touched = change.any((1, 2))
    assert 0 < touched.sum() < 6 or seed
    assert np.array_equal(cloudy.clear[~touched], chip.clear[~touched])


def test_clouds_cover_about_their_share_and_shadows_darken() -> None:
    opacity, shade = draw_clouds(64, 64, share=0.3, away=0, rng=np.random.default_rng(1))
    assert (opacity > 0).mean() == pytest.approx(0.3, abs=0.01)
    assert 0.4 < opacity.max() <= 1
    assert 0.2 < shade.max() <= 0.8
    dark = Cloud(chance=1)(flat_chip(0.4, dates=8, side=64), np.random.default_rng(3)).reflectance
    assert dark.min() < 0.4 * (1 - SHADED)


@pytest.mark.parametrize(("away", "expected"), [(0, (1, 0)), (math.pi / 2, (0, 1)), (math.pi, (-1, 0))])
def test_shadows_fall_to_the_side_away_from_the_sun(away: float, expected: tuple[int, int]) -> None:
    opacity, shade = draw_clouds(48, 48, share=0.3, away=away, rng=np.random.default_rng(4))
    cloud, shadow = opacity / opacity.max(), shade / shade.max()
    best = {}
    for distance in range(15):
        down, right = expected[0] * distance, expected[1] * distance
        moved = np.roll(cloud, (down, right), (0, 1))
        inner = (slice(15, -15), slice(15, -15))
        best[distance] = float(np.abs(moved - shadow)[inner].max())
    distance = min(best, key=lambda at: best[at])
    assert distance > 0
    assert best[distance] < 0.01 < best[0]


@pytest.mark.parametrize("step", [Gain(chance=0), Haze(chance=0), Cloud(chance=0)])
def test_without_a_chance_nothing_happens(step: Gain | Haze | Cloud) -> None:
    assert same(step(make_chip(2), np.random.default_rng(0)), make_chip(2))


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda: Gain(per_date=-1), "gain: expected per_date and per_band of 0 or more"),
        (lambda: Haze(max_reflectance=2), "haze.max_reflectance: expected 0..1; got 2"),
        (lambda: Haze(per_band=()), "haze.per_band"),
        (lambda: Cloud(max_share=1), "cloud.max_share: expected more than 0, less than 1; got 1"),
        (lambda: Cloud(chance=2), "cloud.chance"),
    ],
)
def test_a_senseless_value_is_refused(build: type[object], reason: str) -> None:
    with pytest.raises(ConfigRefused) as caught:
        build()
    assert reason in str(caught.value)
