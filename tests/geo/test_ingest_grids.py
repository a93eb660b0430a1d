"""Ingest: grids that are turned come out north-up, and the windows in which files are read do not show."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray
from rasterio.warp import Resampling, reproject

from geo.ingest import IngestOptions, ingest
from tests.geo.rasters import NORTH_UP, numbers, read_item, read_scene, write_tif

OPTIONS = IngestOptions("s", acquired=datetime(2020, 8, 1, 10, 30, tzinfo=UTC))

Turn = Callable[[NDArray[Any]], NDArray[Any]]
FLIPS: dict[str, tuple[Affine, Turn]] = {
    "south-up": (Affine(3, 0, 600_000, 0, 3, 4_200_000 - 37 * 3), lambda v: v[:, ::-1]),
    "west-right": (Affine(-3, 0, 600_000 + 53 * 3, 0, -3, 4_200_000), lambda v: v[:, :, ::-1]),
    "quarter turn": (Affine(0, 3, 600_000, 3, 0, 4_200_000 - 53 * 3), lambda v: v.transpose(0, 2, 1)[:, ::-1]),
}


@pytest.mark.parametrize("name", FLIPS)
def test_flips_and_quarter_turns_keep_every_pixel(tmp_path: Path, name: str) -> None:
    transform, upright = FLIPS[name]
    values = numbers()
    values[:, 2:9, 4:11] = 0
    scene = ingest(write_tif(tmp_path / "a.tif", values, transform=transform), tmp_path / "out", OPTIONS)
    found, clear = read_scene(tmp_path / "out")
    assert np.array_equal(found, upright(values))
    assert np.array_equal(clear, upright(values).any(axis=0))
    assert scene.geobox.affine == NORTH_UP
    assert read_item(tmp_path / "out")["properties"]["chronoseg:resampled"] is True


def test_rotated_grid_is_warped_as_rasterio_warps(tmp_path: Path) -> None:
    values = numbers((61, 83))
    transform = Affine.translation(600_000, 4_200_000) * Affine.rotation(-23) * Affine.scale(3, -3)
    scene = ingest(write_tif(tmp_path / "a.tif", values, transform=transform), tmp_path / "out", OPTIONS)
    found, clear = read_scene(tmp_path / "out")
    affine = scene.geobox.affine
    assert (affine.b, affine.d) == (0, 0)
    assert (affine.a, affine.e) == pytest.approx((3, -3))
    expected = np.zeros((4, *scene.geobox.shape), np.uint16)
    reproject(
        values, expected, src_transform=transform, dst_transform=affine, src_crs="EPSG:32610", dst_crs="EPSG:32610",
        resampling=Resampling.nearest, tolerance=0, src_nodata=0, dst_nodata=0,
    )  # fmt: skip
    assert np.array_equal(found, expected)
    assert np.array_equal(clear, expected.any(axis=0))
    # Every pixel of the source is there somewhere: the area is kept.
    assert clear.sum() == pytest.approx(61 * 83, rel=0.02)
    west, south, east, north = scene.geobox.boundingbox
    corners = [transform * corner for corner in ((0, 0), (83, 0), (0, 61), (83, 61))]
    assert all(west - 1e-6 <= x <= east + 1e-6 and south - 1e-6 <= y <= north + 1e-6 for x, y in corners)


def test_windows_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = numbers((300, 410))
    layout: dict[str, Any] = {"tiled": True, "blockxsize": 64, "blockysize": 32, "compress": "lzw"}
    path = write_tif(tmp_path / "a.tif", values, **layout)
    monkeypatch.setattr("geo.raster.READ_BYTES", 100_000)
    ingest(path, tmp_path / "out", OPTIONS)
    assert np.array_equal(read_scene(tmp_path / "out")[0], values)
