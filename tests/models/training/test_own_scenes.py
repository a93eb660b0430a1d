"""One's own scenes with labels: what is read where, and that no ground is on both sides of the split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from scipy.spatial import KDTree

from models.card import MASK_NODATA
from models.training.datasets.scenes import ScenesSource
from models.training.scenes_config import ScenesConfig
from tests.geo.rasters import write_tif
from tests.models.training.own_labels import (
    WEST_NORTH,
    open_scenes,
    square,
    write_one_scene,
    write_polygons,
    write_scene,
)

UTM = "EPSG:32618"


def ground(source: ScenesSource, split: str) -> NDArray[np.float64]:
    """Easting and northing of all pixels that a split shows, in the units of the scenes' second band and third."""
    shown = []
    for picture in source.pictures(split):
        chip = picture.window(0, 0, *picture.shape)
        shown.append(chip.reflectance[0, 1:3][:, chip.clear[0]])
    return np.concatenate(shown, axis=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_one_scene(tmp_path)


def test_polygons_are_burned_where_they_lie(folder: Path) -> None:
    source = open_scenes(folder)
    assert (source.bands, source.pictures("all") != []) == (("blue", "green", "red", "nir"), True)
    seen = 0
    for picture in source.pictures("all"):
        chip = picture.window(0, 0, *picture.shape)
        clear = chip.clear[0]
        east, south = (np.round(band * 1e4) for band in chip.reflectance[0, 1:3])
        expected = np.where(east < 600, 1, np.where(south < 600, 2, MASK_NODATA))
        assert np.array_equal(chip.target[0][clear], expected[clear])
        assert (chip.target[0][~clear] == MASK_NODATA).all()
        seen += int(clear.sum())
    assert seen > 0.6 * 120 * 120
    assert source.res_m[0] == pytest.approx(10, rel=1e-3)
    assert source.frequencies(3).pixels_K[0] == 0


@pytest.mark.parametrize(("name", "crs"), [("other.geojson", "OGC:CRS84"), ("other.gpkg", "EPSG:32617")])
def test_outside_of_polygons_may_be_a_class(folder: Path, name: str, crs: str) -> None:
    write_polygons(folder / name, [("trees", square(0, 0, 600, 1200))], crs=crs)
    source = open_scenes(folder, labels=name, outside="bare")
    for picture in source.pictures("all"):
        chip = picture.window(0, 0, *picture.shape)
        expected = np.where(np.round(chip.reflectance[0, 1] * 1e4) < 600, 1, 0)
        assert np.array_equal(chip.target[0][chip.clear[0]], expected[chip.clear[0]])


def test_windows_of_a_picture_agree(folder: Path) -> None:
    picture = max(open_scenes(folder).pictures("all"), key=lambda one: one.shape)
    height, width = picture.shape
    whole, part = picture.window(0, 0, height, width), picture.window(5, 7, height - 9, width - 11)
    assert np.array_equal(part.target, whole.target[:, 5:-4, 7:-4])
    assert np.array_equal(part.clear, whole.clear[:, 5:-4, 7:-4])


def test_no_ground_is_on_both_sides_with_scenes_that_overlap_in_part(folder: Path) -> None:
    """Three scenes: shifted by half, on another pixel size, and in another CRS."""
    write_scene(folder / "scenes" / "b.tif", east_m=610, south_m=305)
    write_scene(folder / "scenes" / "c.tif", res_m=30, px=50)
    lon, lat = Transformer.from_crs(UTM, "OGC:CRS84", always_xy=True).transform(*WEST_NORTH)
    write_scene(folder / "scenes" / "d.tif", crs="EPSG:4326", transform=Affine(1e-4, 0, lon, 0, -1e-4, lat))
    source = open_scenes(folder, outside="bare", held_out=0.4)
    names = {one.name[0] for one in source.pictures("train")}
    assert names == {one.name[0] for one in source.pictures("held-out")} == set("abcd")
    train, held = (1e4 * ground(source, split) for split in ("train", "held-out"))
    assert min(train.shape[1], held.shape[1]) > 1000
    nearest = np.min(KDTree(held.T).query(train.T, p=np.inf)[0])
    assert nearest > 30  # the widest pixel


def test_a_wider_buffer_keeps_the_sides_farther_apart(folder: Path) -> None:
    def gap(buffer_m: float) -> float:
        source = open_scenes(folder, outside="bare", buffer_m=buffer_m)
        train, held = (1e4 * ground(source, split) for split in ("train", "held-out"))
        return float(np.min(KDTree(held.T).query(train.T)[0]))

    assert 30 <= gap(0) < 60
    assert 120 <= gap(60) < 160


def test_the_split_does_not_depend_on_which_scenes_are_there(folder: Path) -> None:
    def side(source: ScenesSource, split: str) -> set[str]:
        return {one.name.partition(" at ")[2] for one in source.pictures(split)}

    alone = open_scenes(folder, outside="bare")
    write_scene(folder / "scenes" / "b.tif")
    both = open_scenes(folder, outside="bare")
    assert side(alone, "held-out") == side(both, "held-out")
    assert len(both.pictures("all")) == 2 * len(alone.pictures("all"))
    assert alone.fingerprint != both.fingerprint
    assert side(alone, "held-out") != side(open_scenes(folder, outside="bare", split_seed=3), "held-out")


def test_rasters_on_another_grid_are_warped_to_the_nearest(folder: Path) -> None:
    """Labels of 30 m in degrees: a pixel gets the label whose centre is nearest, up to half a label's pixel."""
    lon, lat = Transformer.from_crs(UTM, "OGC:CRS84", always_xy=True).transform(*WEST_NORTH)
    to_utm = Transformer.from_crs("OGC:CRS84", UTM, always_xy=True)
    transform = Affine(3e-4, 0, lon - 0.001, 0, -3e-4, lat + 0.001)
    cols, rows = np.meshgrid(np.arange(60) + 0.5, np.arange(60) + 0.5)
    east = to_utm.transform(transform.a * cols + transform.c, transform.e * rows + transform.f)[0] - WEST_NORTH[0]
    values = np.where(east < 600, 7, 3).astype(np.uint8)
    values[rows > 50] = 200
    write_tif(folder / "labels.tif", values[None], crs="EPSG:4326", transform=transform, roles=None, nodata=200)
    source = open_scenes(folder, labels="labels.tif", classes={"7": "trees", "3": "water"}, outside="void")
    sure = 0
    for picture in source.pictures("all"):
        chip = picture.window(0, 0, *picture.shape)
        east = np.round(chip.reflectance[0, 1] * 1e4)
        known = chip.clear[0] & (np.abs(east - 600) > 20) & (chip.target[0] != MASK_NODATA)
        assert np.array_equal(chip.target[0][known], np.where(east < 600, 1, 2)[known])
        sure += int(known.sum())
    assert sure > 5000
    largest = max(source.pictures("all"), key=lambda one: one.shape)
    height, width = largest.shape
    whole, part = largest.window(0, 0, height, width), largest.window(3, 4, height - 6, width - 6)
    assert np.array_equal(part.target, whole.target[:, 3:-3, 4:-2])


def test_label_rasters_may_be_many_and_declare_a_class_as_nodata(folder: Path) -> None:
    (folder / "truth").mkdir()
    for name, value, west in (("one", 0, 0), ("two", 2, 600)):
        transform = Affine(10, 0, WEST_NORTH[0] + west, 0, -10, WEST_NORTH[1])
        values = np.full((1, 120, 60), value, np.uint8)
        write_tif(folder / "truth" / f"{name}.tif", values, crs=UTM, transform=transform, roles=None, nodata=0)
    source = open_scenes(folder, labels="truth/*.tif")
    assert source.frequencies(3).pixels_K[1] == 0
    for picture in source.pictures("all"):
        chip = picture.window(0, 0, *picture.shape)
        expected = np.where(np.round(chip.reflectance[0, 1] * 1e4) < 600, 0, 2)
        assert np.array_equal(chip.target[0][chip.clear[0]], expected[chip.clear[0]])


def test_nan_and_nodata_are_not_clear(folder: Path) -> None:
    write_scene(folder / "scenes" / "a.tif", nodata=-1.0, spoil=True)
    for picture in open_scenes(folder, outside="bare").pictures("all"):
        chip = picture.window(0, 0, *picture.shape)
        assert np.isfinite(chip.reflectance).all()
        clear = chip.clear[0]
        assert (np.round(chip.reflectance[0, 2] * 1e4)[clear] > 100).all()  # the northern rows are NaN or nodata


def test_draws_come_from_training_ground_alone(folder: Path) -> None:
    source = open_scenes(folder, outside="bare")
    train = {tuple(one) for one in np.round(1e4 * ground(source, "train")).T.tolist()}
    for seed in range(6):
        (chip,), (again,) = (source.draw(np.random.default_rng(seed)) for _ in range(2))
        assert chip.reflectance.shape == (1, 4, 32, 32)
        assert np.array_equal(chip.reflectance, again.reflectance)
        drawn = np.round(1e4 * chip.reflectance[0, 1:3][:, chip.clear[0]]).T.tolist()
        assert {tuple(one) for one in drawn} <= train


def test_bands_by_number_and_a_rotated_grid(folder: Path) -> None:
    transform = Affine.translation(*WEST_NORTH) * Affine.rotation(-20) * Affine.scale(10, -10)
    write_scene(folder / "scenes" / "a.tif", transform=transform, described=False)
    source = open_scenes(folder, bands={"green": 2, "red": 3}, outside="bare")
    assert source.bands == ("green", "red")
    for picture in source.pictures("all"):
        chip = picture.window(0, 0, *picture.shape)
        east, south = np.round(chip.reflectance[0] * 1e4)
        sure = chip.clear[0] & (np.abs(east - 600) > 2) & (np.abs(south - 600) > 2) & (east > 2) & (east < 1198)
        sure &= (south > 2) & (south < 1198)
        expected = np.where(east < 600, 1, np.where(south < 600, 2, 0))
        assert np.array_equal(chip.target[0][sure], expected[sure])


def test_notes_tell_what_was_left_out(folder: Path) -> None:
    write_scene(folder / "scenes" / "far.tif", east_m=50_000)
    notes = " ".join(open_scenes(folder).notes)
    assert "1 scene(s) without labels left out: far.tif" in notes
    assert "no block to learn from has bare" in notes


def test_scenes_of_one_name_in_folders_of_their_own_are_told_apart(folder: Path) -> None:
    for number, east_m in enumerate((0, 1300, 50_000)):
        write_scene(folder / "dates" / str(number) / "scene.tif", east_m=east_m)
    source = open_scenes(folder, scenes="dates/*/scene.tif", labels="labels.geojson", outside="void")
    assert {one.name.partition(" at ")[0] for one in source.pictures("all")} == {"0/scene.tif"}
    assert "2 scene(s) without labels left out: 1/scene.tif, 2/scene.tif" in source.notes[0]


def test_what_the_card_is_told_has_no_paths(folder: Path) -> None:
    from models.training.written import plain

    config = ScenesConfig(scenes=str(folder), labels=str(folder / "x.tif"))
    assert not {"scenes", "labels"} & set(plain(config))
    assert plain(config)["attribute"] == "class"
    assert str(folder) not in open_scenes(folder).about
