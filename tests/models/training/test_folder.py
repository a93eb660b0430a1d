"""Folders of images and masks: pairing, bands, labels, splits by place, and what is refused with which words."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.card import MASK_NODATA, LandClass
from models.errors import ConfigRefused, DataRefused
from models.training.data_config import FolderConfig
from models.training.datasets.folder import FolderSource
from models.training.datasets.pairs import find_pairs
from models.training.datasets.places import places
from models.training.datasets.rasters import read_header
from models.training.datasets.split import held_out_groups
from models.training.themes import THEMES
from tests.models.training.static_runs import write_raster

CLASSES = THEMES["burned-area"].classes
BANDS = ("B2", "B3", "B4", "B8")
FAR_M = 20_000.0


def config(folder: Path, **other: Any) -> FolderConfig:
    return FolderConfig(
        **{
            "kind": "folder", "folder": str(folder), "images": "*/image.tif", "masks": "*/mask.tif", "chip_px": 32,
            "held_out": 1.0, **other,
        }
    )  # fmt: skip


def write_pair(folder: Path, name: str, place: float, *, size: tuple[int, int] = (37, 53), seed: int = 0) -> None:
    """A 16-bit image of four bands, and its mask."""
    rng = np.random.default_rng((seed, round(100 * place)))
    image = rng.integers(1, 4000, (4, *size)).astype(np.uint16)
    write_raster(folder / name / "image.tif", image, descriptions=BANDS, west=place * FAR_M)
    write_raster(folder / name / "mask.tif", (image[3:] < 2000).astype(np.uint8), west=place * FAR_M)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for place, name in enumerate(("a", "b", "c")):
        write_pair(tmp_path, name, place)
    return tmp_path


def test_windows_hold_the_file_s_pixels_in_reflectance(folder: Path) -> None:
    source = FolderSource(config(folder), CLASSES)
    (held,), train = source.pictures("held-out"), source.pictures("train")
    assert len(train) == 2
    assert held.name not in [one.name for one in train]
    assert (source.bands, held.shape) == (("blue", "green", "red", "nir"), (37, 53))
    place = "abc".index(held.name[0])
    image = np.random.default_rng((0, 100 * place)).integers(1, 4000, (4, 37, 53)).astype(np.uint16)
    chip = held.window(5, 7, 20, 30)
    np.testing.assert_allclose(chip.reflectance[0], image[:, 5:25, 7:37] * 1e-4, rtol=1e-6)
    np.testing.assert_array_equal(chip.target[0], image[3, 5:25, 7:37] < 2000)
    over = held.window(-3, 40, 64, 64)
    assert over.reflectance.shape == (1, 4, 64, 64)
    assert over.clear[0, 3:40, :13].all()
    assert over.clear.sum() == 37 * 13
    assert np.array_equal(over.target[0] == MASK_NODATA, ~over.clear[0])


def test_draws_are_windows_of_training_images_alone(folder: Path) -> None:
    source = FolderSource(config(folder), CLASSES)
    means = {one.window(0, 0, 37, 53).reflectance.mean() for one in source.pictures("train")}
    for seed in range(8):
        (chip,), (again,) = (source.draw(np.random.default_rng(seed)) for _ in range(2))
        assert chip.reflectance.shape == (1, 4, 32, 32)
        assert chip.clear.all()
        assert np.array_equal(chip.reflectance, again.reflectance)
        assert min(abs(chip.reflectance.mean() - mean) for mean in means) < 0.02
    counted = source.frequencies(2)
    assert counted.pixels_K.sum() == 2 * 37 * 53


def test_nan_and_nodata_are_not_clear(tmp_path: Path) -> None:
    values = np.full((4, 40, 40), 1000.0)
    values[1, 3, 4], values[2, 5, 6], values[0, 7, 8] = np.nan, np.inf, -999
    for place, name in enumerate("ab"):
        write_raster(tmp_path / name / "image.tif", values, descriptions=BANDS, west=place * FAR_M, nodata=-999)
        write_raster(tmp_path / name / "mask.tif", np.ones((1, 40, 40), np.uint8), west=place * FAR_M)
    chip = FolderSource(config(tmp_path), CLASSES).pictures("all")[0].window(0, 0, 40, 40)
    assert np.argwhere(~chip.clear[0]).tolist() == [[3, 4], [5, 6], [7, 8]]
    assert np.isfinite(chip.reflectance).all()


def test_bands_are_found_by_role_or_number(folder: Path) -> None:
    by_role = FolderSource(config(folder, bands=("nir", "red")), CLASSES)
    by_number = FolderSource(config(folder, bands={"nir": 4, "red": 3}), CLASSES)
    assert by_role.bands == by_number.bands == ("nir", "red")
    one, other = (source.pictures("train")[0].window(0, 0, 37, 53) for source in (by_role, by_number))
    assert np.array_equal(one.reflectance, other.reflectance)


@pytest.mark.parametrize("bands", [("blue", "green", "red", "nir"), {"blue": 1, "green": 2, "red": 3, "nir": 4}])
def test_images_with_other_bands_are_refused_or_left_out_openly(folder: Path, bands: Any) -> None:
    """As 8 of the wildfire images: 8-bit true colour stands in place of reflectance."""
    write_pair(folder, "odd", 3)
    image = np.full((4, 37, 53), 200, np.uint16)
    write_raster(folder / "odd" / "image.tif", image, descriptions=("TCI_R", "TCI_G", "TCI_B", "B8"), west=3 * FAR_M)
    with pytest.raises(DataRefused, match=r'1 of 4 images .*odd/image.tif .*TCI_R.*data.unfit = "skip"'):
        FolderSource(config(folder, bands=bands), CLASSES)
    source = FolderSource(config(folder, bands=bands, unfit="skip"), CLASSES)
    assert len(source.pictures("all")) == 3
    assert "1 images left out: odd/image.tif" in source.notes[0]
    assert len(FolderSource(config(folder, bands=bands, exclude=("odd/*",)), CLASSES).pictures("all")) == 3
    with pytest.raises(DataRefused, match="4 of 4 images lack the bands swir16"):
        FolderSource(config(folder, bands=("swir16",), unfit="skip"), CLASSES)
    with pytest.raises(DataRefused, match=r"has 4 band\(s\); nir = 9 is not there"):
        FolderSource(config(folder, bands={"nir": 9}), CLASSES)


def test_labels_are_mapped_and_void_counts_nowhere(folder: Path) -> None:
    path = folder / "a" / "mask.tif"
    mask = np.zeros((1, 37, 53), np.uint8)
    mask[0, 0, :3] = (255, 7, 9)
    write_raster(path, mask)
    with pytest.raises(DataRefused, match=r"a/image.tif: its mask mask.tif holds 7 \(1 px\).*0 unburned, 1 burned"):
        FolderSource(config(folder, labels={0: 0, 1: 1, 255: 1}, void=(9,)), CLASSES)
    source = FolderSource(config(folder, labels={0: 0, 1: 1, 255: 1, 7: 0}, void=(9,)), CLASSES)
    (picture,) = (one for one in source.pictures("all") if one.name.startswith("a"))
    assert picture.window(0, 0, 1, 4).target[0, 0].tolist() == [1, 0, MASK_NODATA, 0]
    with pytest.raises(DataRefused, match=r"expected class ids of the legend .*; got 5"):
        FolderSource(config(folder, labels={0: 0, 1: 5}), CLASSES)


def test_nodata_of_a_mask_is_void_unless_it_is_a_class(folder: Path) -> None:
    mask = np.zeros((1, 37, 53), np.uint8)
    mask[0, 0, :2] = (1, 200)
    for nodata, expected in ((200, [1, MASK_NODATA, 0]), (0, None)):
        write_raster(folder / "a" / "mask.tif", mask, nodata=nodata)
        if expected is None:  # 0 stays a class, and 200 is no label
            with pytest.raises(DataRefused, match=r"holds 200 \(1 px\)"):
                FolderSource(config(folder), CLASSES)
        else:
            source = FolderSource(config(folder), CLASSES)
            (picture,) = (one for one in source.pictures("all") if one.name.startswith("a"))
            assert picture.window(0, 0, 1, 3).target[0, 0].tolist() == expected


def test_files_that_do_not_fit_together_are_refused(folder: Path) -> None:
    mask = folder / "b" / "mask.tif"
    write_raster(mask, np.zeros((1, 37, 50), np.uint8))
    with pytest.raises(
        DataRefused, match=r"b/image.tif \(37 x 53\) and its mask mask.tif \(37 x 50\) lie on different"
    ):
        FolderSource(config(folder), CLASSES)
    write_raster(mask, np.zeros((1, 37, 53), np.uint8), west=500)
    with pytest.raises(DataRefused, match="lie on different grids; warp the mask"):
        FolderSource(config(folder), CLASSES)
    write_raster(mask, np.zeros((3, 37, 53), np.uint8), west=FAR_M)
    with pytest.raises(DataRefused, match="has 3 bands; expected one, of class ids"):
        FolderSource(config(folder), CLASSES)
    mask.write_bytes(b"II*\0 and then nothing")
    with pytest.raises(DataRefused, match=r"mask.tif: expected an intact GTiff file"):
        FolderSource(config(folder), CLASSES)


def test_missing_files_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match=r"expected a folder; .*nowhere is none"):
        find_pairs(config(tmp_path / "nowhere"))
    with pytest.raises(DataRefused, match=r"no file matches data.images = '\*.jp2'; there is a, b, c"):
        find_pairs(config(folder, images="*.jp2", masks="*.tif"))
    (folder / "c" / "mask.tif").unlink()
    with pytest.raises(DataRefused, match=r"1 of 3 images have no mask .*c/image.tif \(c/mask.tif\)"):
        find_pairs(config(folder))


def test_a_mask_beside_its_image_is_no_image(tmp_path: Path) -> None:
    for name in ("1", "2", "1_mask", "2_mask"):
        write_raster(tmp_path / f"{name}.png", np.zeros((1, 40, 40), np.uint8), placed=False)
    pairs = find_pairs(config(tmp_path, images="*.png", masks="*_mask.png"))
    assert [(pair.name, pair.mask.name) for pair in pairs] == [("1.png", "1_mask.png"), ("2.png", "2_mask.png")]
    source = FolderSource(config(tmp_path, images="*.png", masks="*_mask.png", bands={"grey": 1}), CLASSES)
    assert source.bands == ("grey",)


def test_images_of_one_place_stay_on_one_side(tmp_path: Path) -> None:
    """Two dates of one place, and a third that overlaps the second."""
    for name, place in (("a1", 0.0), ("a2", 0.0), ("a3", 0.02), ("b", 1.0), ("c", 2.0)):
        write_pair(tmp_path, name, place)
    headers = [(name, read_header(tmp_path / name / "image.tif")) for name in ("a1", "a2", "a3", "b", "c")]
    assert places(headers) == [["a1", "a2", "a3"], ["b"], ["c"]]
    for seed in range(6):
        source = FolderSource(config(tmp_path, split_seed=seed), CLASSES)
        held = {one.name[0] for one in source.pictures("held-out")}
        assert held.isdisjoint({one.name[0] for one in source.pictures("train")})


def test_the_split_is_seeded_and_leaves_something_on_both_sides() -> None:
    groups = [[str(number)] for number in range(20)]
    draws = [held_out_groups(groups, 0.2, seed) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    assert {len(draw) for draw in draws} == {4}
    assert len(held_out_groups(groups, 6, 0)) == 6
    assert len(held_out_groups(groups, 0.001, 0)) == 1
    with pytest.raises(DataRefused, match=r"2 file\(s\) in 1 place\(s\) cannot be split with 1 held out"):
        held_out_groups([["a", "b"]], 1, 0)


def test_the_fingerprint_tells_data_apart_and_not_where_they_lie(folder: Path, tmp_path: Path) -> None:
    first = FolderSource(config(folder), CLASSES).fingerprint
    moved = tmp_path / "moved"
    for name in "abc":
        shutil.copytree(folder / name, moved / name)
    assert FolderSource(config(moved), CLASSES).fingerprint == first
    write_pair(moved, "a", 0, seed=1)
    assert FolderSource(config(moved), CLASSES).fingerprint != first


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"images": "image.tif"}, r"data.images: expected a pattern with \*"),
        ({"masks": "mask.tif"}, r"data.masks: expected as many \* as images has, 1"),
        ({"images": "**/a.tif", "masks": "**/b.tif"}, "no \\*\\*"),
        ({"images": "/x/*.tif"}, "patterns under data.folder"),
        ({"bands": ()}, "one band or more"),
        ({"scale": 0.0}, "data.scale: expected more than 0"),
        ({"held_out": 0.0}, "data.held_out"),
        ({"labels": {0: 0, 255: 1}, "void": (255,)}, "data.void"),
        ({"chip_px": 16}, "data.chip_px: expected 32 or more; got 16"),
    ],
)
def test_a_folder_s_table_is_checked(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigRefused, match=reason):
        dataclasses.replace(config(tmp_path), **changes)


def test_a_legend_of_three_classes(folder: Path) -> None:
    classes = (*CLASSES, LandClass(id=2, name="water", color="#0000ff"))
    mask = np.full((1, 37, 53), 2, np.uint8)
    write_raster(folder / "a" / "mask.tif", mask)
    assert FolderSource(config(folder), classes).frequencies(3).pixels_K[2] in (0, 37 * 53)
    with pytest.raises(DataRefused, match="holds 2"):
        FolderSource(config(folder), CLASSES)
