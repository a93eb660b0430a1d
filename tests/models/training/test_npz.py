"""Chips in .npz files: what they hold, dates as chips of their own, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.card import MASK_NODATA
from models.errors import DataRefused
from models.training.data_config import NpzConfig
from models.training.datasets.npz import NpzSource
from models.training.themes import THEMES

CLASSES = THEMES["tree-cover"].classes
RNG = np.random.default_rng(0)
STILL = {"reflectance": RNG.uniform(0, 1, (4, 40, 36)), "target": RNG.integers(0, 2, (40, 36))}
SERIES: dict[str, Any] = {
    "reflectance": RNG.uniform(0, 1, (3, 4, 40, 36)).astype(np.float32),
    "target": RNG.integers(0, 2, (3, 40, 36)).astype(np.uint8),
    "clear": RNG.uniform(size=(3, 40, 36)) > 0.5,
    "days": np.array([18000, 18010, 18020]),
}


def open_chips(folder: Path, *files: dict[str, Any]) -> NpzSource:
    for number, arrays in enumerate(files):
        np.savez(folder / f"{number}.npz", **arrays)
    return NpzSource(NpzConfig(kind="npz", folder=str(folder), chip_px=32, held_out=1), CLASSES)


def test_stills_and_series_are_chips_of_one_date(tmp_path: Path) -> None:
    source = open_chips(tmp_path, STILL, SERIES, SERIES)
    pictures = source.pictures("all")
    assert sorted(one.name for one in pictures) == sorted(["0.npz:0"] + [f"{f}.npz:{t}" for f in "12" for t in "012"])
    held = {one.name.split(":")[0] for one in source.pictures("held-out")}
    assert len(held) == 1
    assert held.isdisjoint({one.name.split(":")[0] for one in source.pictures("train")})
    (last,) = (one for one in pictures if one.name == "2.npz:2")
    chip = last.window(0, 0, 40, 36)
    assert chip.days.tolist() == [18020]
    np.testing.assert_array_equal(chip.clear[0], SERIES["clear"][2])
    np.testing.assert_array_equal(chip.target[0], SERIES["target"][2])
    np.testing.assert_array_equal(chip.reflectance[0][:, chip.clear[0]], SERIES["reflectance"][2][:, chip.clear[0]])
    (drawn,) = source.draw(np.random.default_rng(0))
    assert drawn.reflectance.shape == (1, 4, 32, 32)
    assert source.frequencies(2).pixels_K.sum() > 0


def test_nan_is_not_clear_and_255_is_not_known(tmp_path: Path) -> None:
    x, target = STILL["reflectance"].copy(), STILL["target"].copy()
    x[2, 1, 1], target[0, 0] = np.nan, MASK_NODATA
    source = open_chips(tmp_path, {"reflectance": x, "target": target}, STILL)
    chip = source.pictures("all")[0 if source.pictures("all")[0].name == "0.npz:0" else 1].window(0, 0, 40, 36)
    assert np.argwhere(~chip.clear[0]).tolist() == [[1, 1]]
    assert np.isfinite(chip.reflectance).all()
    assert chip.target[0, 0, 0] == MASK_NODATA


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"reflectance": STILL["reflectance"]}, "expected the arrays reflectance and target; target missing"),
        ({**STILL, "reflectance": STILL["reflectance"][:3]}, r"4 bands blue, green, red, nir.*got \(3, 40, 36\)"),
        ({**STILL, "target": STILL["target"][:9]}, r"target of the same dates and size; .* and \(9, 36\)"),
        ({**STILL, "target": STILL["target"] + 4}, r"expected class ids 0..1 in target, .* with 4, 5"),
        ({**STILL, "target": STILL["target"] + 0.0}, "float64 with fractions"),
        ({"reflectance": np.array([{}]), "target": STILL["target"]}, "expected an intact .npz file of plain arrays"),
    ],
)
def test_files_that_hold_something_else_are_refused(tmp_path: Path, arrays: dict[str, Any], reason: str) -> None:
    with pytest.raises(DataRefused, match=reason):
        open_chips(tmp_path, STILL, arrays)


def test_a_folder_without_chips_and_a_broken_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match=r"no file matches data.files = '\*.npz'"):
        open_chips(tmp_path)
    with (tmp_path / "a.npz").open("wb") as stream:
        np.save(stream, STILL["target"])
    with pytest.raises(DataRefused, match="one array alone"):
        open_chips(tmp_path)
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(DataRefused, match=r"expected an intact \.npz file of plain arrays: File is not a zip file"):
        open_chips(tmp_path)
