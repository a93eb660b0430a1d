"""Footprints: they cover the data, lie on the earth, and are split where the date changes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

from geo.ingest import IngestOptions, ingest
from geo.item import footprint_bbox
from tests.geo.rasters import NORTH_UP, numbers, write_tif

OPTIONS = IngestOptions("s", acquired=datetime(2020, 8, 1, tzinfo=UTC))


def footprint(tmp_path: Path, valid: NDArray[np.bool_], crs: str, transform: Affine) -> BaseGeometry:
    values = np.where(valid, numbers(valid.shape), 0).astype(np.uint16)
    return ingest(
        write_tif(tmp_path / "a.tif", values, crs=crs, transform=transform), tmp_path / "out", OPTIONS
    ).footprint


def covers(outline: BaseGeometry, points: NDArray[np.float64]) -> bool:
    shapely.prepare(outline)
    return bool(shapely.covers(outline, shapely.points(points)).all())


def corners(valid: NDArray[np.bool_], crs: str, transform: Affine) -> NDArray[np.float64]:
    """Centres of valid pixels in WGS84, longitudes in -180..180."""
    rows, cols = np.nonzero(valid)
    a, b, c, d, e, f = tuple(transform)[:6]
    x, y = a * (cols + 0.5) + b * (rows + 0.5) + c, d * (cols + 0.5) + e * (rows + 0.5) + f
    lon, lat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    return np.column_stack([(lon + 180) % 360 - 180, lat])


@pytest.mark.parametrize("step", [1, 6])
def test_covers_slanted_data_closely(tmp_path: Path, step: int) -> None:
    height, width = 150 * step, 210 * step
    rows, cols = np.mgrid[:height, :width]
    valid = (cols > rows * 0.3) & (cols < width - 20 + rows * 0.1) & (rows > 4)
    found = footprint(tmp_path, valid, "EPSG:32610", NORTH_UP)
    assert covers(found, corners(valid, "EPSG:32610", NORTH_UP)[:: 7 * step])
    to_utm = Transformer.from_crs("EPSG:4326", "EPSG:32610", always_xy=True)
    area = shapely.transform(found, lambda p: np.column_stack(to_utm.transform(p[:, 0], p[:, 1]))).area
    assert area == pytest.approx(valid.sum() * 9, rel=0.08)
    assert found.is_valid
    assert len(shapely.get_coordinates(found)) < 60


def test_speckle_and_holes_make_a_simple_outline(tmp_path: Path) -> None:
    valid = np.random.default_rng(0).random((200, 200)) < 0.2
    found = footprint(tmp_path, valid, "EPSG:32610", NORTH_UP)
    assert len(shapely.get_coordinates(found)) < 100
    assert covers(found, corners(valid, "EPSG:32610", NORTH_UP))


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:32601", Affine(30, 0, 366_000, 0, -30, 7_500_000)),
        ("EPSG:32660", Affine(30, 0, 620_000, 0, -30, 7_500_000)),
        ("EPSG:4326", Affine(0.01, 0, 179.8, 0, -0.01, 10)),
        ("EPSG:4326", Affine(0.01, 0, -180.25, 0, -0.01, 10)),
        ("EPSG:3832", Affine(500, 0, 3_320_000, 0, -500, 100_000)),
    ],
)
def test_antimeridian(tmp_path: Path, crs: str, transform: Affine) -> None:
    valid = np.ones((40, 500 if crs.startswith("EPSG:32") else 50), dtype=bool)
    found = footprint(tmp_path, valid, crs, transform)
    assert found.geom_type == "MultiPolygon"
    assert found.is_valid
    west, south, east, north = found.bounds
    assert (west, east) == (-180, 180)
    assert found.area < 20
    points = corners(valid, crs, transform)
    assert covers(found.buffer(1e-6), points)
    bbox = footprint_bbox(found)
    assert bbox[0] > bbox[2]
    assert bbox[0] == pytest.approx(points[points[:, 0] > 0, 0].min(), abs=0.02)
    assert bbox[2] == pytest.approx(points[points[:, 0] < 0, 0].max(), abs=0.02)
    assert (bbox[1], bbox[3]) == (south, north)


def test_longitudes_beyond_180_are_brought_home(tmp_path: Path) -> None:
    valid = np.ones((40, 50), dtype=bool)
    found = footprint(tmp_path, valid, "EPSG:4326", Affine(0.01, 0, 200, 0, -0.01, 10))
    assert found.bounds == pytest.approx((-160, 9.6, -159.5, 10))


@pytest.mark.parametrize(("crs", "edge"), [("EPSG:4326", 180.0), ("EPSG:3857", 20_037_508.342789244)])
def test_whole_world(tmp_path: Path, crs: str, edge: float) -> None:
    valid = np.ones((50, 100), dtype=bool)
    found = footprint(tmp_path, valid, crs, Affine(edge / 50, 0, -edge, 0, -edge / 50, edge / 2))
    assert found.bounds[0] == pytest.approx(-180)
    assert found.bounds[2] == pytest.approx(180)
    assert footprint_bbox(found)[0] < footprint_bbox(found)[2]


def test_rings_run_counter_clockwise(tmp_path: Path) -> None:
    found = footprint(tmp_path, np.ones((40, 50), dtype=bool), "EPSG:32633", NORTH_UP)
    assert all(shapely.is_ccw(part.exterior) for part in shapely.get_parts(found))


def test_real_dateline_scene(tmp_path: Path) -> None:
    source = Path(__file__).parents[3] / "shared" / "data" / "badtiff" / "titiler_cog_dateline.tif"
    if not source.is_file():
        pytest.skip("no ../shared/data/badtiff")
    with rasterio.open(source) as dataset:
        band, crs = dataset.read(1, out_shape=(471, 465)), dataset.crs
        transform = dataset.transform * Affine.scale(5)
    path = write_tif(tmp_path / "a.tif", np.stack([band] * 4), crs=crs, transform=transform)
    found = ingest(path, tmp_path / "out", OPTIONS).footprint
    assert found.geom_type == "MultiPolygon"
    assert covers(found, corners(band > 0, crs, transform))
