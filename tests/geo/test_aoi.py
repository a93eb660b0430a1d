from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from geo.aoi import Area, aoi_mask, area_km2, check_area, parse_aoi, project, swapped
from geo.errors import AreaRefused
from tests.geo.scenes import lonlat_box, utm_grid

SQUARE = [[10.0, 45.0], [10.1, 45.0], [10.1, 45.1], [10.0, 45.1], [10.0, 45.0]]


def polygon(*rings: list[Any]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


@pytest.mark.parametrize(
    "geojson",
    [
        polygon(SQUARE),
        {"type": "MultiPolygon", "coordinates": [[SQUARE]]},
        {"type": "Feature", "properties": {}, "geometry": polygon(SQUARE)},
        {
            "type": "FeatureCollection",
            "features": [{"type": "Feature", "properties": None, "geometry": polygon(SQUARE)}],
        },
        {"type": "GeometryCollection", "geometries": [polygon(SQUARE)]},
    ],
)
def test_every_form_of_polygon_is_read(geojson: dict[str, Any]) -> None:
    area = parse_aoi(geojson)
    assert area.geometry.equals(shapely.box(10, 45, 10.1, 45.1))
    assert area.notes == ()


@pytest.mark.parametrize(
    ("geojson", "message"),
    [
        (polygon(), "is empty"),
        ({"type": "FeatureCollection", "features": []}, "is empty"),
        ({"type": "Feature", "geometry": None}, "is empty"),
        (polygon([]), "0 position"),
        (polygon([[10, 45], [10.1, 45]]), "at least four"),
        (polygon([[10, 45], [10, 45], [10, 45], [10, 45]]), "nothing areal|no extent"),
        (polygon([[10, 45], [11, 46], [12, 47], [10, 45]]), "nothing areal|no extent"),
        ({"type": "Point", "coordinates": [10, 45]}, "got 'Point'"),
        ({"type": "Polygon"}, "must be an array"),
        ({"type": "Polygon", "coordinates": "abc"}, "must be an array"),
        (polygon([["10", 1], [2, 3], [4, 5], [6, 7]]), "expected numbers"),
        (polygon([[1], [2, 3], [4, 5], [6, 7]]), "longitude, latitude"),
        (polygon([[float("nan"), 1], [2, 3], [4, 5], [6, 7]]), "not finite"),
        (polygon([[45, 100.0], [45.1, 100], [45.1, 100.1], [45, 100.1], [45, 100]]), "axes look swapped"),
        (polygon([[500000, 4500000], [500100, 4500000], [500100, 4500100], [500000, 4500000]]), "projected"),
        (polygon([[1000, 4], [1001, 4], [1001, 5], [1000, 4]]), "longitude 1001"),
        (
            polygon(SQUARE) | {"crs": {"type": "name", "properties": {"name": "EPSG:32633"}}},
            "another coordinate system",
        ),
        ([SQUARE], "GeoJSON object"),
        (polygon([[x / 1e5, 45 + (x % 2) / 10] for x in range(100_002)]), "more than 100,000"),
    ],
)
def test_what_is_no_area_is_refused(geojson: Any, message: str) -> None:
    with pytest.raises(AreaRefused, match=message):
        parse_aoi(geojson)


def test_deep_nesting_is_refused_without_recursion_errors() -> None:
    nested: dict[str, Any] = polygon(SQUARE)
    for _ in range(5000):
        nested = {"type": "GeometryCollection", "geometries": [nested]}
    with pytest.raises(AreaRefused):
        parse_aoi(nested)


def test_a_bow_tie_is_repaired_and_says_so() -> None:
    area = parse_aoi(polygon([[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]))
    assert area.geometry.area == pytest.approx(2.0)
    assert any("Self-intersection" in note and "repaired" in note for note in area.notes)


def test_open_rings_are_closed_and_heights_dropped() -> None:
    area = parse_aoi(polygon([[*position, 12.0] for position in SQUARE[:-1]]))
    assert area.geometry.equals(shapely.box(10, 45, 10.1, 45.1))
    assert not area.geometry.has_z
    assert any("closed" in note for note in area.notes)
    assert any("heights" in note for note in area.notes)


@pytest.mark.parametrize(
    "ring",
    [
        [[179.9, 0], [180.1, 0], [180.1, 1], [179.9, 1], [179.9, 0]],
        [[-180.1, 0], [-179.9, 0], [-179.9, 1], [-180.1, 1], [-180.1, 0]],
        [[179.9, 0], [-179.9, 0], [-179.9, 1], [179.9, 1], [179.9, 0]],
    ],
)
def test_an_area_across_the_antimeridian_is_split_there(ring: list[list[float]]) -> None:
    area = parse_aoi(polygon(ring))
    expected = shapely.union(shapely.box(179.9, 0, 180, 1), shapely.box(-180, 0, -179.9, 1))
    assert shapely.symmetric_difference(area.geometry, expected).area < 1e-9
    assert area.notes


def test_an_area_split_at_the_antimeridian_is_one_piece_in_utm() -> None:
    area = parse_aoi(polygon([[179.99, 0], [180.01, 0], [180.01, 0.01], [179.99, 0.01], [179.99, 0]]))
    for zone in (32601, 32660):
        west, _, east, _ = project(area.geometry, CRS(f"EPSG:{zone}")).bounds
        assert east - west == pytest.approx(2226, rel=0.01)
    west, _, east, _ = project(area.geometry, CRS("EPSG:4326"), near_lon=180.0).bounds
    assert (west, east) == pytest.approx((179.99, 180.01))


def test_the_whole_world_is_an_area_but_too_large() -> None:
    area = parse_aoi(polygon([[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]]))
    assert area_km2(area.geometry) == pytest.approx(510_065_622, rel=1e-3)
    with pytest.raises(AreaRefused, match="at most 100,000 km2"):
        check_area(area, 100_000)


def test_area_is_measured_on_the_ellipsoid() -> None:
    degree = Area(shapely.box(10, 60, 11, 61))
    assert area_km2(degree.geometry) == pytest.approx(6_116, rel=0.002)
    check_area(degree, 6_200)
    with pytest.raises(AreaRefused, match="split it into several jobs"):
        check_area(degree, 6_000)


def test_holes_count() -> None:
    hole = [[10.02, 45.02], [10.04, 45.02], [10.04, 45.04], [10.02, 45.04], [10.02, 45.02]]
    with_hole, without = parse_aoi(polygon(SQUARE, hole)), parse_aoi(polygon(SQUARE))
    assert area_km2(with_hole.geometry) == pytest.approx(area_km2(without.geometry) * 0.96, rel=1e-3)


def test_swapped_leaves_the_globe_where_it_cannot_be() -> None:
    assert swapped(shapely.box(10, 45, 11, 46)) is not None
    assert swapped(shapely.box(100, 45, 101, 46)) is None


def test_the_mask_agrees_with_shapely_on_pixel_centres() -> None:
    grid = utm_grid(61, 83)
    area = parse_aoi(lonlat_box(grid, 5.2, 7.9, 49.1, 70.3)).geometry
    rows, cols = np.mgrid[0:61, 0:83]
    x, y = grid.affine.a * (cols + 0.5) + grid.affine.c, grid.affine.e * (rows + 0.5) + grid.affine.f
    to_wgs84 = Transformer.from_crs("EPSG:32633", "OGC:CRS84", always_xy=True)
    expected = shapely.contains_xy(area, *to_wgs84.transform(x, y))
    mask = aoi_mask(area, grid)
    assert (mask != expected).sum() <= 2
    assert mask.sum() > 2000


def test_the_mask_does_not_depend_on_the_window() -> None:
    grid = GeoBox((64, 64), Affine(3, 0, 500_000, 0, -3, 4_500_000), "EPSG:32633")
    to_wgs84 = Transformer.from_crs("EPSG:32633", "OGC:CRS84", always_xy=True)
    # Edges through pixel centres, the hardest case.
    corners = [(10.5, 8.5), (50.5, 8.5), (58.5, 40.5), (30.5, 58.5), (10.5, 8.5)]
    area = parse_aoi(polygon([list(to_wgs84.transform(*(grid.affine * corner))) for corner in corners])).geometry
    whole = aoi_mask(area, grid)
    for size in (7, 16, 33):
        for row in range(0, 64, size):
            for col in range(0, 64, size):
                window = np.s_[row : min(row + size, 64), col : min(col + size, 64)]
                np.testing.assert_array_equal(aoi_mask(area, grid[window]), whole[window])


def test_an_area_far_outside_a_window_gives_nothing() -> None:
    assert not aoi_mask(shapely.box(10, 45, 10.1, 45.1), utm_grid(9, 9)).any()
