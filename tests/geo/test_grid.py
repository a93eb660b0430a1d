from __future__ import annotations

from datetime import UTC, datetime

import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from geo.aoi import parse_aoi, project
from geo.errors import AreaRefused, StackRefused
from geo.grid import output_geobox, shared_lattice, true_res_m, utm_crs
from geo.lattice import Lattice, crs_of, lattice_of
from geo.scene import Scene
from tests.geo.scenes import BANDS, lonlat_box, outline, utm_grid


def scene(geobox: GeoBox, name: str = "a") -> Scene:
    return Scene(name, datetime(2020, 8, 1, tzinfo=UTC), "", BANDS, "", "", geobox, outline(geobox))


def latlon(height: int, width: int, lon: float, lat: float, res: float = 0.00018) -> GeoBox:
    return GeoBox((height, width), Affine(res, 0, lon, 0, -res, lat), "EPSG:4326")


def test_scenes_that_share_a_grid_keep_it() -> None:
    one, two = utm_grid(100, 120), utm_grid(80, 90, x=500_001.5 + 60 * 3, y=4_500_000 - 33 * 3)
    area = parse_aoi(lonlat_box(one, 10.5, 20.5, 95.5, 119.5)).geometry
    geobox = output_geobox([scene(one), scene(two, "b")], area, 8)
    lattice = lattice_of(one)
    row, col = lattice.place(geobox) or (1, 1)
    assert (row % 8, col % 8) == (0, 0)
    west, south, east, north = project(shapely.intersection(area, outline(one)), crs_of(geobox)).bounds
    box = geobox.boundingbox
    assert box.left <= west < box.left + 8 * 3
    assert box.top >= north > box.top - 8 * 3
    assert box.right - 3 < east <= box.right + 0.1
    assert box.bottom - 0.1 <= south < box.bottom + 3


def test_two_areas_get_the_same_phase() -> None:
    grid = utm_grid(300, 300)
    boxes = [
        output_geobox([scene(grid)], parse_aoi(lonlat_box(grid, *box)).geometry, 16)
        for box in ((3, 5, 100, 120), (77, 91, 290, 280))
    ]
    places = [lattice_of(grid).place(box) for box in boxes]
    assert places[0] is not None
    assert places[1] is not None
    assert all((a - b) % 16 == 0 for a, b in zip(*places, strict=True))


def test_scenes_without_area_give_their_own_extent() -> None:
    grid = utm_grid(64, 96, x=480_000.0, y=4_500_000.0)
    geobox = output_geobox([scene(grid)], outline(grid), 8)
    assert geobox.shape == grid.shape
    assert geobox.affine.almost_equals(grid.affine, precision=1e-6)


def test_one_geographic_grid_stays() -> None:
    one = latlon(100, 100, 10.0, 45.0)
    geobox = output_geobox([scene(one), scene(latlon(50, 50, 10.0 + 30 * 0.00018, 45.0), "b")], outline(one), 4)
    assert crs_of(geobox).to_epsg() == 4326
    assert lattice_of(one).place(geobox) is not None


def test_geographic_grids_that_differ_become_utm_at_true_metres() -> None:
    one, two = latlon(100, 100, 10.0, 60.0), latlon(100, 100, 10.0003, 60.0, res=0.0002)
    geobox = output_geobox([scene(one), scene(two, "b")], outline(one), 4)
    assert crs_of(geobox).to_epsg() == 32632
    assert geobox.affine.a == pytest.approx(true_res_m(one), rel=0.005)
    assert true_res_m(one) == pytest.approx(0.00018 * 111_320 * 0.5**0.5, rel=0.01)


def test_other_resolutions_take_the_finest_in_the_common_crs() -> None:
    one, two = utm_grid(100, 100, res_m=10), utm_grid(100, 100, res_m=3)
    geobox = output_geobox([scene(one), scene(two, "b")], outline(one), 4)
    assert crs_of(geobox) == crs_of(one)
    assert (geobox.affine.a, geobox.affine.e) == (3.0, -3.0)


def test_other_zones_become_utm_of_the_area() -> None:
    one = utm_grid(100, 100, x=260_000)
    two = GeoBox((100, 100), Affine(3, 0, 760_000, 0, -3, 4_500_300), "EPSG:32632")
    geobox = output_geobox([scene(one), scene(two, "b")], outline(one), 4)
    assert crs_of(geobox).to_epsg() == 32633


def test_web_mercator_alone_stays_but_is_no_common_grid() -> None:
    one = GeoBox((100, 100), Affine(4.77, 0, 1_113_195, 0, -4.77, 8_399_738), "EPSG:3857")
    two = GeoBox((100, 100), Affine(4.77, 0, 1_113_196.1, 0, -4.77, 8_399_738), "EPSG:3857")
    assert shared_lattice([scene(one)]) is not None
    geobox = output_geobox([scene(one), scene(two, "b")], outline(one), 4)
    assert crs_of(geobox).to_epsg() == 32632
    assert geobox.affine.a == pytest.approx(2.39, abs=0.02)


@pytest.mark.parametrize("east", ["utm", "latlon"])
def test_scenes_on_both_sides_of_the_antimeridian_meet_in_utm(east: str) -> None:
    area = parse_aoi(
        {
            "type": "Polygon",
            "coordinates": [[[179.98, 0.5], [180.04, 0.5], [180.04, 0.52], [179.98, 0.52], [179.98, 0.5]]],
        }
    ).geometry
    if east == "utm":
        grids = [
            GeoBox((1200, 1600), Affine(3, 0, 830_000, 0, -3, 58_000), "EPSG:32660"),
            GeoBox((1200, 1600), Affine(3, 0, 166_000, 0, -3, 58_000), "EPSG:32601"),
        ]
    else:
        grids = [latlon(400, 400, 179.95, 0.53), latlon(400, 400, -180.0, 0.53)]
    geobox = output_geobox([scene(grid, name) for grid, name in zip(grids, "ab", strict=True)], area, 4)
    assert crs_of(geobox).to_epsg() == 32601
    assert 4000 < geobox.shape[1] * geobox.affine.a < 8000


def test_an_area_beside_all_scenes_is_refused() -> None:
    grid = utm_grid(50, 50)
    with pytest.raises(AreaRefused, match="outside of all scenes"):
        output_geobox([scene(grid)], shapely.box(20, 45, 20.1, 45.1), 4)


def test_rotated_grids_and_none_are_refused() -> None:
    rotated = GeoBox(
        (50, 50), Affine.translation(500_000, 4_500_000) * Affine.rotation(20) * Affine.scale(3, -3), "EPSG:32633"
    )
    with pytest.raises(StackRefused, match="rotated"):
        lattice_of(rotated)
    with pytest.raises(StackRefused, match="without CRS"):
        lattice_of(GeoBox((5, 5), Affine(3, 0, 0, 0, -3, 0), None))
    with pytest.raises(StackRefused, match="at least one"):
        output_geobox([], shapely.box(0, 0, 1, 1), 4)


def test_utm_zones_and_the_poles() -> None:
    assert utm_crs(-180.0, 10).to_epsg() == 32601
    assert utm_crs(180.0, 10).to_epsg() == 32601
    assert utm_crs(179.9, -10).to_epsg() == 32760
    assert utm_crs(15.0, 45).to_epsg() == 32633
    assert utm_crs(0, 86).to_epsg() == 32661
    assert utm_crs(0, -85).to_epsg() == 32761


def test_a_lattice_gives_the_same_numbers_to_whoever_asks() -> None:
    lattice = Lattice(crs_of(utm_grid(1, 1)), 3.0, 3.0, 0.5, 0.25)
    window = lattice.geobox(-1000, 2000, 10, 20)
    assert lattice_of(window) == lattice
    assert lattice.place(window) == (-1000, 2000)
    assert lattice.place(utm_grid(10, 10, x=500_002.0)) is None
    assert lattice.place(utm_grid(10, 10, res_m=3.001)) is None
