"""PASTIS in its published layout: folds, dates, bands, labels, and what is refused with which words."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.card import MASK_NODATA
from models.errors import ConfigRefused, DataRefused
from models.training.datasets.pastis import open_pastis
from models.training.series_config import PASTIS_BANDS, PastisConfig
from models.training.static_config import LegendConfig
from models.training.themes import about
from tests.models.training.series_files import CROPS, write_pastis


def test_patches_are_split_by_their_folds_and_hold_the_files_values(tmp_path: Path) -> None:
    config = write_pastis(tmp_path)
    source = open_pastis(config, CROPS)
    assert [one.name for one in source.train] == ["10000", "10001", "10002"]
    assert [one.name for one in source.held_out] == ["10003"]
    assert (source.bands, source.res_m) == (("blue", "green", "red", "nir"), (10, 10))
    assert source.about == "PASTIS: 3 patches learned from (folds 1, 2, 3), 1 held out (folds 4)"
    patch = source.train[1]
    assert patch.days.tolist() == [17791, 17806, 17836, 17911, 17930]  # 2018-09-17 is day 17791 since 1970
    chip = patch.at([1, 3]).window(3, 5, 8, 9)
    image = np.load(tmp_path / "DATA_S2" / "S2_10001.npy")
    np.testing.assert_allclose(chip.reflectance, image[[1, 3]][:, [0, 1, 2, 6], 3:11, 5:14] * 1e-4, rtol=1e-6)
    assert chip.clear.all()
    assert chip.days.tolist() == [17806, 17911]
    rows, cols = np.indices((8, 9))
    label = (rows + 3 + cols + 5) % 20
    np.testing.assert_array_equal(chip.target, np.repeat(np.where(label == 19, MASK_NODATA, label)[None], 2, 0))


def test_bands_are_chosen_by_name_and_labels_are_mapped(tmp_path: Path) -> None:
    config = write_pastis(tmp_path)
    few = dataclasses.replace(
        config, bands=("swir22", "red"), labels={0: 0, **dict.fromkeys(range(1, 18), 1)}, void=(18,)
    )
    theme = about(None, LegendConfig(title="t", classes=("background", "crop")))
    chip = open_pastis(few, theme).train[0].at([0]).window(0, 0, 20, 1)
    image = np.load(tmp_path / "DATA_S2" / "S2_10000.npy")
    np.testing.assert_allclose(chip.reflectance[0, :, :, 0], image[0, [9, 2], :20, 0] * 1e-4, rtol=1e-6)
    assert chip.target[0, :, 0].tolist() == [0] + 17 * [1] + 2 * [MASK_NODATA]
    assert len(PASTIS_BANDS) == 10


def test_pixels_without_data_are_not_clear(tmp_path: Path) -> None:
    config = write_pastis(tmp_path)
    path = tmp_path / "DATA_S2" / "S2_10000.npy"
    image = np.load(path)
    image[0, :, 0, 0], image[1, 3, 0, 1] = 0, -10_000
    np.save(path, image)
    chip = open_pastis(config, CROPS).train[0].at([0, 1]).window(0, 0, 40, 40)
    assert np.argwhere(~chip.clear).tolist() == [[0, 0, 0], [1, 0, 1]]
    assert chip.reflectance[~np.repeat(chip.clear[:, None], 4, 1)].max() == 0


def test_draws_are_some_dates_in_order_of_training_patches(tmp_path: Path) -> None:
    source = open_pastis(write_pastis(tmp_path), CROPS)
    seen = set()
    for seed in range(12):
        chip, again = (source.draw(3, np.random.default_rng(seed)) for _ in range(2))
        assert np.array_equal(chip.reflectance, again.reflectance)
        assert chip.reflectance.shape == (3, 4, 32, 32)
        assert (np.diff(chip.days) > 0).all()
        seen.add(tuple(chip.days))
    assert len(seen) > 3


def test_the_fingerprint_tells_labels_apart_and_not_where_they_lie(tmp_path: Path) -> None:
    config = write_pastis(tmp_path / "one")
    first = open_pastis(config, CROPS).fingerprint
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    moved = dataclasses.replace(config, folder=str(tmp_path / "two"))
    assert open_pastis(moved, CROPS).fingerprint == first
    path = tmp_path / "two" / "ANNOTATIONS" / "TARGET_10001.npy"
    np.save(path, np.zeros_like(np.load(path)))
    assert open_pastis(moved, CROPS).fingerprint != first


def test_another_layout_is_refused_with_what_was_expected_where(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match=r"nowhere.metadata.geojson: expected PASTIS as published, a folder with"):
        open_pastis(PastisConfig("pastis", str(tmp_path / "nowhere")), CROPS)
    config = write_pastis(tmp_path)
    with pytest.raises(DataRefused, match=r"TARGET_10000.npy: holds label 5, class 5, which the legend of 5 classes"):
        open_pastis(config, about(None, LegendConfig(title="t", classes=tuple("abcde"))))
    with pytest.raises(DataRefused, match=r"holds label 2, 3, 4, 5 and 13 more, which data.labels does not map"):
        open_pastis(dataclasses.replace(config, labels={0: 0, 1: 1}), CROPS)
    with pytest.raises(DataRefused, match=r"3 series have less than the 9 dates of data.dates: 10000 \(4\)"):
        open_pastis(dataclasses.replace(config, dates=(9,), dates_per_step=9), CROPS)
    path = tmp_path / "DATA_S2" / "S2_10002.npy"
    np.save(path, np.load(path)[:3])
    with pytest.raises(DataRefused, match=r"S2_10002.npy: expected int16 of 4 dates \(dates-S2\) x 10 bands x"):
        open_pastis(config, CROPS)
    path.unlink()
    with pytest.raises(DataRefused, match=r"S2_10002.npy: expected a .npy file of plain numbers"):
        open_pastis(config, CROPS)


def test_a_fold_without_patches_and_metadata_without_dates_are_refused(tmp_path: Path) -> None:
    config = write_pastis(tmp_path, folds=(1, 2, 3))
    with pytest.raises(DataRefused, match="no series to hold out"):
        open_pastis(config, CROPS)
    told = json.loads((tmp_path / "metadata.geojson").read_text())
    del told["features"][0]["properties"]["dates-S2"]
    (tmp_path / "metadata.geojson").write_text(json.dumps(told))
    with pytest.raises(DataRefused, match=r"expected features with ID_PATCH, Fold and dates-S2 \(KeyError\('dates-S2'"):
        open_pastis(config, CROPS)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bands": ("purple",)}, "data.bands: expected one or more of blue, green, red, rededge"),
        ({"bands": ("red", "red")}, "data.bands"),
        ({"train_folds": (0,)}, r"data.train_folds: expected one or more of 1..5; got \(0,\)"),
        ({"held_out_folds": (3,)}, "data.held_out_folds: expected folds that are not in train_folds"),
        ({"dates": (40,)}, "data.dates_per_step: expected the longest series; got 32"),
        ({"labels": {1: 0}, "void": (1,)}, "data.void"),
        ({"scored": -1}, "data.scored"),
    ],
)
def test_the_table_is_checked(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigRefused, match=reason):
        PastisConfig("pastis", "x", **changes)
