"""Fires before and after: series of two dates, single dates, what is held out, and what is refused with which words."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from models.errors import ConfigRefused, DataRefused
from models.training.config import TrainConfig
from models.training.datasets.wildfire import WildfireDates, open_wildfire_pairs
from models.training.fit_config import FitConfig
from models.training.processes import Processes
from models.training.single_date import DateLesson
from models.training.themes import THEMES, single_date
from tests.models.training.series_files import CROPS, dates, pairs, write_fire, write_fires
from tests.models.training.static_runs import tiny, write_raster

BURNED = THEMES["burned-area"]
REAL = Path(__file__).parents[4] / "shared" / "data"
needs_fires = pytest.mark.skipif(not (REAL / "wildfire_pairs").is_dir(), reason="no ../shared/data/wildfire_pairs")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_fires(tmp_path)
    return tmp_path


def test_nothing_is_burned_before_and_the_perimeter_after(folder: Path) -> None:
    source = open_wildfire_pairs(pairs(folder), BURNED)
    assert [one.name for one in source.train] == ["1-7_20200817", "CLEAR_20240626"]
    assert [one.name for one in source.held_out] == ["66_20230515"]
    assert source.notes[0].startswith("1 fires left out: CREEK_20240726 (its bands are described as TCI_R")
    assert source.about == "2 real fires (Sentinel-2) learned from, 1 held out (66_20230515)"
    chip = source.held_out[0].at([0, 1]).window(0, 0, 37, 37)
    assert chip.reflectance.shape == (2, 4, 37, 37)
    assert np.argwhere(~chip.clear[0]).tolist() == [[0, 0], [0, 1], [0, 2]]  # NaN
    assert (chip.target[0].sum(), chip.target[1].sum()) == (0, 15 * 15)
    assert np.diff(chip.days).tolist() == [60]
    burned = chip.target[1] == 1
    np.testing.assert_allclose(chip.reflectance[1][:, burned], 0.4 * chip.reflectance[0][:, burned], rtol=1e-5)


def test_leaving_one_fire_out_is_a_value_of_the_table(folder: Path) -> None:
    names = ("1-7_20200817", "66_20230515", "CLEAR_20240626")
    for name in names:
        source = open_wildfire_pairs(pairs(folder, name), BURNED)
        assert [one.name for one in source.held_out] == [name]
        assert {one.name for one in source.train} == set(names) - {name}
    noisy = dataclasses.replace(pairs(folder, "CLEAR_20240626"), exclude=("66_*",))
    assert [one.name for one in open_wildfire_pairs(noisy, BURNED).train] == ["1-7_20200817"]


def test_windows_of_small_fires_are_padded(folder: Path) -> None:
    source = open_wildfire_pairs(dataclasses.replace(pairs(folder), chip_px=64), BURNED)
    chip = source.draw(2, np.random.default_rng(0))
    assert chip.reflectance.shape == (2, 4, 64, 64)
    assert chip.clear[1].sum() == 37 * 37 - 3
    assert (chip.target[1] == 255).sum() == 64 * 64 - 37 * 37


def test_single_dates_are_those_after_the_fire(tmp_path: Path) -> None:
    write_fires(tmp_path, pre=False)
    source = WildfireDates(dates(tmp_path), single_date("burned-area"))
    (held_out,) = source.pictures("held-out")
    assert (held_out.name, held_out.shape) == ("66_20230515", (37, 37))
    assert len(source.pictures("train")) == 2
    assert len(source.pictures("all")) == 3
    whole = held_out.window(0, 0, 37, 37)
    assert whole.target.sum() == 15 * 15
    (chip,) = source.draw(np.random.default_rng(0))
    assert chip.reflectance.shape == (1, 4, 32, 32)
    assert source.frequencies(2).pixels_K.tolist() == [2 * (37 * 37 - 3 - 15 * 15), 2 * 15 * 15]


def test_a_static_network_learns_from_single_dates(tmp_path: Path) -> None:
    write_fires(tmp_path, pre=False)
    lesson = DateLesson(tiny("fcn", data=dates(tmp_path), fit=FitConfig(steps=1)))
    x, clear, target = lesson.draw(0, Processes())
    assert x.shape == (2, 4, 32, 32)
    assert target[clear].max() == 1
    scores, _ = lesson.score(lesson.build())
    assert 0 <= scores["iou burned"] <= 1
    card = lesson.card()
    assert card.res_m == (20.0, 20.0)
    assert card.training["data"] == "2 real fires (Sentinel-2) learned from, 1 held out (66_20230515)"
    assert card.training["config"]["data"]["held_out"] == ("66_*",)
    assert "folder" not in card.training["config"]["data"]


def test_what_does_not_fit_is_refused_with_the_reason(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match=r"nowhere: expected a folder of fires, NAME_YYYYMMDD each"):
        open_wildfire_pairs(pairs(tmp_path / "nowhere"), BURNED)
    with pytest.raises(DataRefused, match=r"data.held_out: 'MOON_\*' is no fire in .*; there is 1-7_20200817, 66_"):
        open_wildfire_pairs(pairs(folder, "MOON_*"), BURNED)
    with pytest.raises(DataRefused, match=r"0 fires to learn from and 3 held out; .* left out: CREEK_20240726"):
        open_wildfire_pairs(pairs(folder, "*"), BURNED)
    with pytest.raises(DataRefused, match="fires have 2 classes, unburned and burned; the legend has 19"):
        open_wildfire_pairs(pairs(folder), CROPS)
    write_fire(folder, "NEAR_20230516", 1.01)
    with pytest.raises(DataRefused, match="66_20230515, NEAR_20230516 show the same ground; hold out all of them or"):
        open_wildfire_pairs(pairs(folder), BURNED)
    with pytest.raises(ConfigRefused, match=r"data.held_out: expected names of fires, one or more"):
        dataclasses.replace(pairs(folder), held_out=())
    with pytest.raises(ConfigRefused, match=r"theme: expected burned-area, or a \[legend\]: the data are fires"):
        TrainConfig(theme="tree-cover", name="tiny", data=pairs(folder))


def test_files_that_do_not_fit_together_are_refused(folder: Path) -> None:
    mask = folder / "66_20230515" / "mask.tif"
    write_raster(mask, np.full((1, 37, 37), 7, np.uint8), west=20_000.0)
    with pytest.raises(DataRefused, match=r"mask.tif: expected 1 where it burned, else 0; got 7"):
        open_wildfire_pairs(pairs(folder), BURNED)
    write_raster(mask, np.zeros((1, 30, 37), np.uint8), west=20_000.0)
    with pytest.raises(DataRefused, match=r"66_20230515: its images and its mask lie on different grids"):
        open_wildfire_pairs(pairs(folder), BURNED)
    mask.unlink()
    with pytest.raises(DataRefused, match=r"expected pre_fire.tif, post_fire.tif, mask.tif; mask.tif missing"):
        open_wildfire_pairs(pairs(folder), BURNED)


def test_a_fire_without_its_day_is_refused(tmp_path: Path) -> None:
    for place, name in enumerate(("A_20200817", "B")):
        write_fire(tmp_path, name, place)
    with pytest.raises(DataRefused, match="B: expected a name that ends with the fire's day, as in 66_20230515"):
        open_wildfire_pairs(pairs(tmp_path, "B"), BURNED)


@needs_fires
def test_the_real_fires_are_read() -> None:
    source = open_wildfire_pairs(pairs(REAL / "wildfire_pairs", "66_*", "1-7_*"), BURNED)
    assert (len(source.train), len(source.held_out), source.notes) == (5, 2, ())
    after = WildfireDates(dates(REAL / "wildfire_post_only", "VALLEY_*", "AMORUSO_*"), single_date("burned-area"))
    assert (len(after.pictures("train")), len(after.pictures("held-out"))) == (19, 1)
    assert after.notes[0].startswith("8 fires left out: CREEK_20240726")
    for picture in after.pictures("train"):
        chip = picture.window(0, 0, *picture.shape)
        assert 0.01 < np.median(chip.reflectance[0, 2][chip.clear[0]]) < 0.4  # 8-bit values would be 0.01 or less
