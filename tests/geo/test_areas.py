"""Areas against geodesic polygons, by hand, and however the blocks are cut."""

from __future__ import annotations

import csv
import math
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import CRS, Geod, Transformer

from geo.areas import AreaTable, measure_areas, pixel_areas, write_areas
from geo.errors import StackRefused
from tests.geo.block_files import LEGEND, burning, folders, write_blocks

GRIDS = {
    "utm, middle": GeoBox((2000, 1700), Affine(10, 0, 495_000, 0, -10, 4_100_000), "EPSG:32610"),
    "utm, far edge": GeoBox((533, 411), Affine(30, 0, 820_000, 0, -30, 6_900_000), "EPSG:32610"),
    "utm zone 1 over the antimeridian": GeoBox((700, 900), Affine(3, 0, 231_000, 0, -3, 4_100_000), "EPSG:32601"),
    "degrees, 60 north": GeoBox((800, 1100), Affine(2e-4, 0, 24.0, 0, -2e-4, 60.1), "EPSG:4326"),
    "degrees, over the antimeridian": GeoBox((301, 1000), Affine(2e-4, 0, 179.9, 0, -2e-4, -17.0), "EPSG:4326"),
    "degrees, whole country": GeoBox((900, 700), Affine(0.01, 0, 5.0, 0, -0.01, 55.0), "EPSG:4326"),
    "web mercator": GeoBox((600, 500), Affine(20, 0, 1_000_000, 0, -20, 7_000_000), "EPSG:3857"),
    "US feet": GeoBox((500, 500), Affine(30, 0, 6_000_000, 0, -30, 2_000_000), "EPSG:2229"),
    "few pixels": GeoBox((3, 2), Affine(3, 0, 500_000, 0, -3, 4_100_000), "EPSG:32610"),
    "one pixel": GeoBox((1, 1), Affine(500, 0, 500_000, 0, -500, 4_100_000), "EPSG:32610"),
}


def geodesic_m2(geobox: GeoBox, pieces: int = 400) -> float:
    """Area of a grid's outline, its sides cut into short geodesics."""
    rows, cols = geobox.shape
    along, back = np.linspace(0, 1, pieces, endpoint=False), np.linspace(1, 0, pieces, endpoint=False)
    still = np.zeros(pieces)
    col, row = (
        np.concatenate([along, still + 1, back, still]) * cols,
        np.concatenate([still, along, still + 1, back]) * rows,
    )
    a, _, c, _, e, f = tuple(geobox.affine)[:6]
    crs = CRS(str(geobox.crs))
    to_degrees = Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    lon, lat = to_degrees.transform(c + a * col, f + e * row)
    geod = crs.get_geod() or Geod(ellps="WGS84")
    return abs(float(geod.polygon_area_perimeter(lon, lat)[0]))


@pytest.mark.parametrize("grid", GRIDS)
def test_pixels_add_up_to_the_geodesic_area(grid: str) -> None:
    geobox = GRIDS[grid]
    total_m2 = pixel_areas(geobox).window(0, 0, *geobox.shape).sum()
    # The area of a geodesic polygon is known to about 0.1 m2, which is much of six small pixels.
    assert total_m2 == pytest.approx(geodesic_m2(geobox), rel=2e-2 if grid == "few pixels" else 1e-6)


@pytest.mark.parametrize("grid", ["utm, far edge", "degrees, 60 north", "degrees, whole country", "web mercator"])
def test_every_part_of_a_grid_is_right_to_a_ten_thousandth(grid: str) -> None:
    geobox, step = GRIDS[grid], 100
    areas = pixel_areas(geobox)
    for row in range(0, geobox.shape[0] - step, 3 * step):
        for col in (0, geobox.shape[1] - step):
            part_m2 = areas.window(row, col, step, step).sum()
            part = geobox[row : row + step, col : col + step]
            assert part_m2 == pytest.approx(geodesic_m2(part), rel=1e-5)


def test_a_projection_s_scale_counts() -> None:
    """At the middle of a UTM zone lengths are 0.9996 of true ones, so a pixel of 100 m2 is more."""
    pixel_m2 = pixel_areas(GRIDS["utm, middle"]).window(1000, 500, 1, 1)[0, 0]
    assert pixel_m2 == pytest.approx(100 / 0.9996**2, rel=1e-6)


def test_a_pixel_s_area_does_not_depend_on_the_window() -> None:
    areas = pixel_areas(GRIDS["degrees, 60 north"])
    whole = areas.window(0, 0, 800, 1100)
    assert np.array_equal(areas.window(137, 41, 200, 333), whole[137:337, 41:374])


def test_a_grid_without_crs_has_no_areas() -> None:
    with pytest.raises(StackRefused, match="CRS"):
        pixel_areas(GeoBox((5, 5), Affine(1, 0, 0, 0, -1, 0), None))


@pytest.mark.parametrize("block_px", [64, 100, 512])
def test_classes_and_looks_are_counted_by_hand(block_px: int, tmp_path: Path) -> None:
    geobox = GRIDS["degrees, 60 north"][:211, :307]
    whole = burning((211, 307))
    blocks = write_blocks(whole, geobox, block_px, tmp_path)
    block_folder = folders(tmp_path)
    table = measure_areas(
        geobox,
        blocks,
        lambda index: (block_folder(index) / "masks.tif", block_folder(index) / "observed.tif"),
        dates=4,
        classes=2,
    )
    pixel_m2 = pixel_areas(geobox).window(0, 0, 211, 307)
    assert table.aoi_m2 == pytest.approx(pixel_m2[whole.observed[0] != 255].sum())
    for t in range(4):
        assert table.observed_m2[t] == pytest.approx(pixel_m2[whole.observed[t] == 1].sum())
        for k in range(2):
            assert table.classes_m2[t, k] == pytest.approx(pixel_m2[whole.masks[t] == k].sum())


def test_the_table_reads_as_hectares(tmp_path: Path) -> None:
    table = AreaTable(np.array([[30_000.0, 0.0], [25_000.0, 5_000.0]]), np.array([30_000.0, 20_000.0]), 40_000.0)
    dates = [("20200801", date(2020, 8, 1)), ("20200809_1010", date(2020, 8, 9))]
    write_areas(table, dates, LEGEND, tmp_path / "areas.csv")
    assert (tmp_path / "areas.csv").read_bytes().endswith(b"\n")
    with (tmp_path / "areas.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["label"], r["date"], r["class_id"], r["class"], r["area_ha"]) for r in rows] == [
        ("20200801", "2020-08-01", "0", "unburned", "3.0000"),
        ("20200801", "2020-08-01", "1", "burned", "0.0000"),
        ("20200809_1010", "2020-08-09", "0", "unburned", "2.5000"),
        ("20200809_1010", "2020-08-09", "1", "burned", "0.5000"),
    ]
    assert {r["aoi_ha"] for r in rows} == {"4.0000"}
    assert [r["observed_share"] for r in rows] == ["0.750000"] * 2 + ["0.500000"] * 2
    assert math.isclose(sum(float(r["area_ha"]) for r in rows[2:]), 3.0)
