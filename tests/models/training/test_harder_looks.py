"""`[data] blurred` and `ground_fires`: images as smooth as resampled ones, and fires under crowns that stay green."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from geo.simulator.spec import SeriesSpec
from models.errors import ConfigRefused
from models.training.chips import BLURRED_PX, GROUND_FIRE_SCORCH, draw_chip, draw_spec
from models.training.config import DataConfig, TrainConfig
from models.training.written import plain

DATA = DataConfig(chip_px=64, dates_per_step=4, dates=(2,), max_cloud=0.0, widen=0.0)


def test_a_share_of_the_series_is_blurred() -> None:
    usual = SeriesSpec("burned-area").psf_px
    half = dataclasses.replace(DATA, blurred=0.5)
    drawn = [draw_spec("burned-area", half, 2, np.random.default_rng(seed)).psf_px for seed in range(80)]
    blurred = [psf_px for psf_px in drawn if psf_px != usual]
    assert 0.3 < len(blurred) / 80 < 0.7
    assert BLURRED_PX[0] <= min(blurred) < 1.2
    assert 2.1 < max(blurred) <= BLURRED_PX[1]


def test_texture_goes_and_the_truth_stays() -> None:
    sharp, blurred = (
        draw_chip("tree-cover", data, 2, 3, np.random.default_rng(3))
        for data in (DATA, dataclasses.replace(DATA, blurred=1.0))
    )
    assert np.array_equal(sharp.target, blurred.target)
    sharply, softly = (np.abs(np.diff(chip.reflectance[:, 3], axis=-1)).mean() for chip in (sharp, blurred))
    assert softly < 0.8 * sharply


def test_a_share_of_the_fires_stays_under_the_crowns() -> None:
    half = dataclasses.replace(DATA, ground_fires=0.5)
    drawn = [draw_spec("burned-area", half, 2, np.random.default_rng(seed)).crown_scorch for seed in range(80)]
    assert 0.3 < drawn.count(GROUND_FIRE_SCORCH) / 80 < 0.7
    assert set(drawn) == {GROUND_FIRE_SCORCH, SeriesSpec("burned-area").crown_scorch}


def test_without_them_the_series_are_those_of_before() -> None:
    assert not {"blurred", "ground_fires"} & plain(DataConfig()).keys()
    with pytest.raises(ConfigRefused, match=r"blurred, ground_fires.*shares in 0\.\.1"):
        DataConfig(blurred=-0.1)
    with pytest.raises(ConfigRefused, match="ground_fires: expected 0"):
        TrainConfig(theme="tree-cover", name="trees", data=dataclasses.replace(DATA, ground_fires=0.2))
