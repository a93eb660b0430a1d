from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.warp import reproject

from geo.blocks import Window
from geo.errors import StackRefused
from geo.lattice import Lattice, lattice_of
from geo.reader import DateReader
from geo.scene import Scene
from geo.warp import bilinear, scene_coordinates, scene_window
from tests.geo.scenes import BANDS, landscape, utm_grid, write_scene

SHAPE = (60, 80)
GRID = utm_grid(*SHAPE)
ALL = np.ones(SHAPE, bool)


def test_a_scene_on_the_grid_is_read_as_it_is(tmp_path: Path) -> None:
    values = landscape(*SHAPE, 1)
    scene = write_scene(tmp_path, "a", GRID, values=values)
    reflectance, clear = DateReader([scene], GRID, ("nir", "green")).read(Window(-5, -7, 70, 100))
    np.testing.assert_array_equal(reflectance[:, 5:65, 7:87], values[[3, 1]] * np.float32(1e-4))
    with rasterio.open(scene.clear) as dataset:
        np.testing.assert_array_equal(clear[5:65, 7:87], dataset.read(1) == 1)
    outside = np.ones((70, 100), bool)
    outside[5:65, 7:87] = False
    assert not reflectance[:, outside].any()
    assert not clear[outside].any()


def test_a_window_beside_all_scenes_holds_nothing(tmp_path: Path) -> None:
    scene = write_scene(tmp_path, "a", GRID)
    reflectance, clear = DateReader([scene], GRID, BANDS).read(Window(1000, -500, 8, 12))
    assert reflectance.shape == (4, 8, 12)
    assert not reflectance.any()
    assert not clear.any()


def test_the_first_clear_scene_wins_then_the_first_with_data(tmp_path: Path) -> None:
    def scene(name: str, level: int, clear: slice, data: slice) -> Scene:
        values, usable = np.zeros((4, *SHAPE), np.uint16), np.zeros(SHAPE, bool)
        values[:, :, data] = level
        usable[:, clear] = True
        return write_scene(tmp_path, name, GRID, values=values, clear=usable)

    first = scene("first", 1000, np.s_[0:20], np.s_[0:50])
    second = scene("second", 2000, np.s_[10:30], np.s_[0:60])
    third = scene("third", 3000, np.s_[0:70], np.s_[0:70])
    reflectance, clear = DateReader([first, second, third], GRID, ("red",)).read(Window(0, 0, *SHAPE))
    levels = np.rint(reflectance[0] * 1000).astype(int)
    for cols, level in (((0, 20), 100), ((20, 30), 200), ((30, 70), 300), ((70, 80), 0)):
        assert (levels[:, slice(*cols)] == level).all()
    assert (clear == (np.arange(80) < 70)).all()
    dim, _ = DateReader([first, second], GRID, ("red",)).read(Window(0, 0, *SHAPE))
    assert np.rint(dim[0, 0, [35, 55, 65]] * 1000).tolist() == [100, 200, 0]


def test_scenes_that_lack_a_band_or_a_file_are_refused(tmp_path: Path) -> None:
    scene = write_scene(tmp_path, "a", GRID, bands=BANDS[:3])
    with pytest.raises(StackRefused, match="scene a has the bands blue, green, red; nir needed"):
        DateReader([scene], GRID, BANDS)
    gone = replace(scene, reflectance=str(tmp_path / "gone.tif"))
    with pytest.raises(StackRefused, match="scene a cannot be read"):
        DateReader([gone], GRID, ("red",)).read(Window(0, 0, 8, 8))


X_32632, Y_32632 = Transformer.from_crs(32633, 32632, always_xy=True).transform(*(GRID.affine * (40, 30)))
OTHER_GRIDS = {
    "shifted by part of a pixel": GeoBox((90, 110), Affine(3, 0, 499_990.4, 0, -3, 4_500_010.7), "EPSG:32633"),
    "coarser": GeoBox((40, 40), Affine(10, 0, 499_985.0, 0, -10, 4_500_040.0), "EPSG:32633"),
    "south-up": GeoBox((60, 80), Affine(3, 0, 500_001.5, 0, 3, 4_499_820.0), "EPSG:32633"),
    "geographic": GeoBox((120, 140), Affine(3e-5, 0, 14.9995, 0, -3e-5, 40.6515), "EPSG:4326"),
    "of another zone": GeoBox((130, 140), Affine(3, 0, X_32632 - 210.4, 0, -3, Y_32632 + 195.3), "EPSG:32632"),
}


@pytest.mark.parametrize("name", OTHER_GRIDS)
def test_values_of_warped_scenes_do_not_depend_on_the_window(tmp_path: Path, name: str) -> None:
    grid = OTHER_GRIDS[name]
    values = landscape(grid.shape[0], grid.shape[1], 3)
    values[:, 20:30, 15:40] = 0
    reader = DateReader([write_scene(tmp_path, "a", grid, values=values)], GRID, BANDS)
    whole, clear = reader.read(Window(-20, -20, 100, 120))
    assert 0.1 < clear.mean() < 0.95
    for height, width in ((7, 13), (32, 32), (53, 41)):
        for row in range(-20, 80, height):
            for col in range(-20, 100, width):
                size = min(height, 80 - row), min(width, 100 - col)
                at = np.s_[row + 20 : row + 20 + size[0], col + 20 : col + 20 + size[1]]
                part, usable = reader.read(Window(row, col, *size))
                np.testing.assert_array_equal(part, whole[:, *at])
                np.testing.assert_array_equal(usable, clear[at])


def test_a_scene_on_a_south_up_grid_is_read_without_interpolation(tmp_path: Path) -> None:
    values = landscape(*SHAPE, 4)
    scene = write_scene(tmp_path, "a", OTHER_GRIDS["south-up"], values=values, clear=ALL)
    reflectance, clear = DateReader([scene], GRID, BANDS).read(Window(0, 0, *SHAPE))
    np.testing.assert_allclose(reflectance, values[:, ::-1] * np.float32(1e-4), atol=1e-5)
    assert clear.all()


@pytest.mark.parametrize("name", ["shifted by part of a pixel", "geographic", "of another zone"])
def test_warping_agrees_with_gdal(tmp_path: Path, name: str) -> None:
    grid = OTHER_GRIDS[name]
    y, x = np.mgrid[0 : grid.shape[0], 0 : grid.shape[1]]
    smooth = np.stack([3000 + 1000 * np.sin(x / (9 + band)) * np.cos(y / 11) for band in range(4)]).astype(np.uint16)
    scene = write_scene(tmp_path, "a", grid, values=smooth, clear=np.ones(grid.shape, bool))
    ours, _ = DateReader([scene], GRID, BANDS).read(Window(0, 0, *SHAPE))
    theirs = np.zeros((4, *SHAPE), np.float32)
    reproject(
        smooth.astype(np.float32), theirs, src_transform=grid.affine, src_crs=str(grid.crs), src_nodata=0,
        dst_transform=GRID.affine, dst_crs="EPSG:32633", dst_nodata=0, resampling=Resampling.bilinear,
        XSCALE="1", YSCALE="1",
    )  # fmt: skip
    both = (ours[0] > 0) & (theirs[0] > 0)
    assert both.mean() > 0.5
    np.testing.assert_allclose(ours[:, both], theirs[:, both] * 1e-4, atol=0.005)


def test_pixels_without_data_do_not_bleed_into_their_neighbours(tmp_path: Path) -> None:
    grid = OTHER_GRIDS["shifted by part of a pixel"]
    values = np.full((4, *grid.shape), 2000, np.uint16)
    values[:, 40:] = 0
    scene = write_scene(tmp_path, "a", grid, values=values, clear=np.ones(grid.shape, bool))
    reflectance, clear = DateReader([scene], GRID, BANDS).read(Window(0, 0, *SHAPE))
    assert set(np.unique(np.rint(reflectance * 1e4))) == {0, 2000}
    np.testing.assert_array_equal(clear, reflectance[0] > 0)


def test_scenes_across_the_antimeridian_are_one_picture(tmp_path: Path) -> None:
    """Both halves of one landscape, on grids of two zones and in degrees, come out side by side in zone 1."""
    lattice = Lattice(CRS("EPSG:32601"), 30.0, 30.0)
    to_zone = Transformer.from_crs("OGC:CRS84", "EPSG:32601", always_xy=True)
    x, y = to_zone.transform(180.0, 1.0)
    row, col = (round(v) for v in lattice.pixel(x, y))
    output = lattice.geobox(row - 60, col - 60, 120, 120)
    west = GeoBox((200, 200), Affine(0.00027, 0, 180 - 200 * 0.00027, 0, -0.00027, 1.027), "EPSG:4326")
    east = GeoBox((200, 200), Affine(0.00027, 0, -180.0, 0, -0.00027, 1.027), "EPSG:4326")
    over = GeoBox((200, 200), Affine(0.00027, 0, 180 - 100 * 0.00027, 0, -0.00027, 1.027), "EPSG:4326")
    zone_60 = GeoBox((200, 200), Affine(30, 0, 830_980.0, 0, -30, 113_700.0), "EPSG:32660")
    full = np.ones((200, 200), bool)
    for grids in ((west, east), (over,), (zone_60,)):
        scenes = [
            write_scene(tmp_path / str(number), "s", grid, clear=full, seed=number) for number, grid in enumerate(grids)
        ]
        _, clear = DateReader(scenes, output, BANDS).read(Window(0, 0, 120, 120))
        assert clear.all(), [str(grid.crs) for grid in grids]


def test_mesh_coordinates_are_those_of_proj() -> None:
    lattice, scene = lattice_of(GRID), OTHER_GRIDS["of another zone"]
    place = lattice.place(GRID)
    assert place is not None
    rows, cols = scene_coordinates(lattice, *place, SHAPE, scene)
    r, c = np.mgrid[0:60, 0:80]
    x, y = GRID.affine.a * (c + 0.5) + GRID.affine.c, GRID.affine.e * (r + 0.5) + GRID.affine.f
    x, y = Transformer.from_crs(32633, 32632, always_xy=True).transform(x, y)
    np.testing.assert_allclose(cols, (x - scene.affine.c) / 3 - 0.5, atol=1e-4)
    np.testing.assert_allclose(rows, (scene.affine.f - y) / 3 - 0.5, atol=1e-4)
    window = scene_window(lattice, scene)
    assert window is not None
    assert window.row < place[0] + 60
    assert window.col < place[1] + 80


def test_bilinear_by_hand() -> None:
    values = np.array([[[10, 20], [30, 40]]], np.uint16)
    rows, cols = np.array([[0.5, 0.0, 0.25, 5.0, np.nan]]), np.array([[0.5, 1.0, 0.0, 0.0, 0.0]])
    out, found = bilinear(values, np.ones((2, 2), bool), rows, cols)
    assert out[0, 0, :3].tolist() == [25.0, 20.0, 15.0]
    assert found.tolist() == [[True, True, True, False, False]]
    assert out[0, 0, 3:].tolist() == [0.0, 0.0]
    out, found = bilinear(values, np.array([[True, False], [True, True]]), np.array([[0.4]]), np.array([[0.2]]))
    assert out[0, 0, 0] == pytest.approx((0.48 * 10 + 0.32 * 30 + 0.08 * 40) / 0.88)
    assert found.all()


def test_a_date_of_two_scenes_reads_both(tmp_path: Path) -> None:
    later = datetime(2020, 8, 1, 11, tzinfo=UTC) + timedelta(seconds=9)
    left = write_scene(tmp_path, "left", utm_grid(60, 40), clear=np.ones((60, 40), bool))
    right = write_scene(
        tmp_path, "right", utm_grid(60, 45, x=500_001.5 + 105), acquired=later, clear=np.ones((60, 45), bool)
    )
    _, clear = DateReader([left, right], GRID, BANDS).read(Window(0, 0, *SHAPE))
    assert clear.all()
