"""DynamicEarthNet in its published layout: areas, months, split lists, labels, and what is refused with which words."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio

from models.card import MASK_NODATA
from models.errors import ConfigRefused, DataRefused
from models.training.datasets.dynamic_earth_net import open_dynamic_earth_net
from models.training.series_config import DynamicEarthNetConfig
from models.training.themes import THEMES, Theme
from tests.models.training.series_files import covers, write_dynamic_earth_net
from tests.models.training.static_runs import write_raster

CUBE = "planet/10N/10N-120W-40N/1311_3077_13/PF-SR"


def test_dates_have_the_truth_of_their_month(tmp_path: Path) -> None:
    config = dataclasses.replace(write_dynamic_earth_net(tmp_path), days=(1, 15))
    source = open_dynamic_earth_net(config, covers(7))
    (area,), (held_out,) = source.train, source.held_out
    assert (area.name, held_out.name) == ("1311_3077_13", "2235_3403_13")
    assert (source.bands, source.res_m, area.shape) == (("blue", "green", "red", "nir"), (3, 3), (40, 40))
    assert [date.fromordinal(719163 + int(day)).isoformat() for day in area.days] == [
        "2018-01-01", "2018-01-15", "2018-02-01", "2018-02-15",
    ]  # fmt: skip
    chip = area.at([1, 2]).window(4, 6, 10, 12)
    with rasterio.open(tmp_path / CUBE / "2018-01-15.tif") as image:
        np.testing.assert_allclose(chip.reflectance[0], image.read()[:, 4:14, 6:18] * 1e-4, rtol=1e-6)
    cols = np.arange(6, 18)
    assert chip.target[0, 0].tolist() == (cols % 7).tolist()
    assert chip.target[1, 0].tolist() == ((cols + 1) % 7).tolist()
    assert held_out.at([2]).window(0, 0, 1, 3).target.ravel().tolist() == [1, 2, 3]


def test_one_day_a_month_and_no_snow_unless_asked_for(tmp_path: Path) -> None:
    source = open_dynamic_earth_net(write_dynamic_earth_net(tmp_path), covers(6))
    (area,) = source.train
    assert len(area.days) == 2
    assert area.at([0]).window(0, 0, 1, 8).target.ravel().tolist() == [0, 1, 2, 3, 4, 5, MASK_NODATA, 0]


def test_pixels_without_data_are_not_clear_and_without_label_not_known(tmp_path: Path) -> None:
    config = write_dynamic_earth_net(tmp_path)
    image, label = np.full((4, 40, 40), 500, np.uint16), np.zeros((7, 40, 40), np.uint8)
    image[:, 0, 1], label[2, 0, :2] = 0, 255
    write_raster(tmp_path / CUBE / "2018-01-01.tif", image)
    raster = "10N-120W-40N-L3H-SR"
    write_raster(tmp_path / f"labels/1311_3077_13_10N/Labels/Raster/{raster}/{raster}-2018_01_01.tif", label)
    chip = open_dynamic_earth_net(config, covers(7)).train[0].at([0]).window(0, 0, 1, 3)
    assert chip.clear.ravel().tolist() == [True, False, True]
    assert chip.target.ravel().tolist() == [2, 2, MASK_NODATA]


def test_areas_are_held_out_by_list_or_name(tmp_path: Path) -> None:
    config = write_dynamic_earth_net(tmp_path)
    tested = open_dynamic_earth_net(dataclasses.replace(config, held_out="test"), covers(7))
    assert [one.name for one in tested.held_out] == ["1700_3100_13"]
    named = open_dynamic_earth_net(dataclasses.replace(config, held_out=("1311_3077_13",)), covers(7))
    assert [one.name for one in named.train] == ["1700_3100_13", "2235_3403_13"]
    with pytest.raises(DataRefused, match=r"data.held_out: 9_9_9 not among the areas 1311_3077_13, 1700_3100_13"):
        open_dynamic_earth_net(dataclasses.replace(config, held_out=("9_9_9",)), covers(7))


def test_areas_without_labels_are_left_out_openly(tmp_path: Path) -> None:
    config = write_dynamic_earth_net(tmp_path)
    write_raster(tmp_path / "planet/10N/10N-120W-40N/5_5_13/PF-SR/2018-01-01.tif", np.ones((4, 40, 40), np.uint16))
    assert open_dynamic_earth_net(config, covers(7)).notes == ("1 areas without labels or images left out: 5_5_13",)


def test_another_layout_is_refused_with_what_was_expected_where(tmp_path: Path) -> None:
    with pytest.raises(
        DataRefused, match=r"no images there; expected DynamicEarthNet as published: planet/ZONE/REGION"
    ):
        open_dynamic_earth_net(DynamicEarthNetConfig("dynamic-earth-net", str(tmp_path)), covers(7))
    config = write_dynamic_earth_net(tmp_path)
    two: Theme = THEMES["tree-cover"]
    with pytest.raises(DataRefused, match=r"has 7 classes, or 6 without snow and ice; the legend has 2"):
        open_dynamic_earth_net(config, two)
    image = tmp_path / CUBE / "2018-01-01.tif"
    write_raster(image, np.ones((3, 40, 40), np.uint16))
    with pytest.raises(DataRefused, match=r"2018-01-01.tif: expected 4 bands of \(40, 40\) pixels; got 3 of"):
        open_dynamic_earth_net(config, covers(7))
    image.rename(image.with_name("january.tif"))
    with pytest.raises(DataRefused, match=r"january.tif: expected a file named for its day, YYYY-MM-DD.tif"):
        open_dynamic_earth_net(config, covers(7))


def test_split_lists_are_needed_and_must_be_apart(tmp_path: Path) -> None:
    config = write_dynamic_earth_net(tmp_path)
    train, val = (tmp_path / "dynnet_training_splits" / f"{name}.txt" for name in ("train", "val"))
    listed = val.read_text()
    val.write_text(train.read_text())
    with pytest.raises(DataRefused, match=r"1311_3077_13 in train.txt and val.txt"):
        open_dynamic_earth_net(config, covers(7))
    val.write_text("not a list\n")
    with pytest.raises(DataRefused, match=r"val.txt: expected lines of images' folder, label and month"):
        open_dynamic_earth_net(config, covers(7))
    val.unlink()
    with pytest.raises(DataRefused, match=r"val.txt: not there; get it from .* or name the areas to hold out"):
        open_dynamic_earth_net(config, covers(7))
    val.write_text(listed)
    with pytest.raises(ConfigRefused, match=r"data.days: expected days of 1..28"):
        dataclasses.replace(config, days=(31,))
