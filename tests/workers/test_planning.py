from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from geo.blocks import Block, cut_blocks, even_size
from geo.scene import Scene
from tests.geo.scenes import BANDS, lonlat_box, outline, utm_grid
from tests.workers.plain_network import plain_card
from workers.errors import JobRefused
from workers.plan import Plan
from workers.planning import Request, make_plan

GRID = utm_grid(400, 500)
FIRST = datetime(2020, 8, 1, 10, 30, tzinfo=UTC)
AOI = lonlat_box(GRID, 11.1, 13.3, 390.2, 480.7)


def scene(name: str, geobox: GeoBox = GRID, *, days: float = 0.0, **changes: Any) -> Scene:
    values: dict[str, Any] = {"satellite": "1001", "bands": BANDS} | changes
    acquired = FIRST + timedelta(days=days)
    return Scene(
        id=name, acquired=acquired, reflectance="", clear="", geobox=geobox, footprint=outline(geobox), **values
    )


SERIES = [scene("a"), scene("b", days=5), scene("c", days=9), scene("d", utm_grid(100, 500), days=9.0001)]


def plan(scenes: list[Scene] = SERIES, request: Request | None = None, **changes: Any) -> Plan:
    limits = {"block_px": 128, "max_aoi_km2": 1000.0} | {
        k: changes.pop(k) for k in ("block_px", "max_aoi_km2") if k in changes
    }
    return make_plan(scenes, request or Request(aoi=AOI), plain_card(**changes), **limits)


def test_a_plan_holds_dates_grid_and_blocks() -> None:
    made = plan()
    assert [(d.label, d.scene_ids) for d in made.dates] == [
        ("20200801", ("a",)), ("20200806", ("b",)), ("20200810", ("c", "d")),
    ]  # fmt: skip
    assert (made.model_id, made.halo_px, made.block_px) == ("plain@1", 12, 128)
    assert len(made.blocks) == 12
    assert max(block.height for block in made.blocks) <= 128
    assert Plan.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_the_order_of_scenes_does_not_matter() -> None:
    assert plan(SERIES[::-1]) == plan(SERIES)


def test_the_period_picks_dates_both_ends_included() -> None:
    made = plan(request=Request(aoi=AOI, start=date(2020, 8, 6), end=date(2020, 8, 10)))
    assert [d.label for d in made.dates] == ["20200806", "20200810"]


def test_without_area_everything_is_taken() -> None:
    made = plan(request=Request())
    assert made.geobox.shape[0] >= 400
    assert made.geobox.shape[1] >= 500


def test_blocks_outside_the_area_are_left_out_and_the_rest_numbered() -> None:
    corner = {"type": "MultiPolygon", "coordinates": [
        lonlat_box(GRID, 10, 10, 40, 40)["coordinates"], lonlat_box(GRID, 350, 450, 390, 490)["coordinates"],
    ]}  # fmt: skip
    made = plan(request=Request(aoi=corner), block_px=64)
    assert 2 <= len(made.blocks) < 12
    assert [block.index for block in made.blocks] == list(range(len(made.blocks)))
    assert all(block.row % 4 == 0 and block.col % 4 == 0 for block in made.blocks)


def test_scenes_outside_the_area_are_left_out() -> None:
    far = scene("far", utm_grid(50, 50, x=560_001.5), days=1)
    assert "far" not in {name for d in plan([*SERIES, far]).dates for name in d.scene_ids}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"request": Request(aoi=AOI, start=date(2021, 1, 1))}, "the nearest: 2020-08-10"),
        ({"request": Request(aoi=AOI, start=date(2020, 8, 2), end=date(2020, 8, 5))}, "2020-08-01 and 2020-08-06"),
        ({"request": Request(start=date(2021, 1, 1))}, "no scene in the period 2021-01-01 to the end"),
        ({"request": Request(aoi={"type": "Polygon", "coordinates": []})}, "is empty"),
        ({"request": Request(aoi=lonlat_box(utm_grid(9, 9, x=900_000), 0, 0, 9, 9))}, "lies outside of all 4 scene"),
        ({"scenes": []}, "no scenes"),
        ({"request": Request(tta=True), "tiling": "instances", "tile_px": 8, "radius_px": 4}, "leave tta out"),
        ({"max_aoi_km2": 0.5}, "at most 0 km2|at most 1 km2"),
        ({"res_m": (10.0, 20.0)}, "pixels of 3 m; model plain@1 was trained for 10 to 20 m"),
        ({"res_m": (0.2, 0.5)}, "resample"),
        ({"bands": (*BANDS[:3], "swir16")}, "scene a has .* lacks swir16"),
    ],
)
def test_what_cannot_be_planned_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(JobRefused, match=message):
        plan(**changes)


def test_swapped_axes_are_named() -> None:
    ring = [[y, x] for x, y in AOI["coordinates"][0]]  # type: ignore[index]
    with pytest.raises(JobRefused, match="axes look swapped"):
        plan(request=Request(aoi={"type": "Polygon", "coordinates": [ring]}))


@pytest.mark.parametrize(
    "inputs",
    [
        {"start": date(2020, 8, 2), "end": date(2020, 8, 1)},
        {"date_by": "week"},
        {"min_area_ha": -1.0},
        {"simplify_px": float("nan")},
    ],
)
def test_requests_that_make_no_sense_are_refused(inputs: dict[str, Any]) -> None:
    with pytest.raises(JobRefused):
        Request(**inputs)


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(8, 900), st.sampled_from([1, 4, 8, 16]))
def test_even_blocks_cover_the_grid_once(rows: int, cols: int, block_px: int, stride: int) -> None:
    edges = even_size(rows, block_px, stride), even_size(cols, block_px, stride)
    assert all(edge % stride == 0 and edge <= max(block_px, stride) * 9 / 8 + stride for edge in edges)
    blocks = list(cut_blocks((rows, cols), edges)) if rows * cols < 200_000 else []
    assert sum(block.height * block.width for block in blocks) in (0, rows * cols)
    assert -(-rows // edges[0]) <= -(-rows // (max(block_px // stride, 1) * stride))


def test_a_block_reads_its_core_and_a_halo() -> None:
    window = Block(3, 64, 128, 50, 64).window(12, 8)
    assert (window.row, window.col, window.height, window.width) == (52, 116, 80, 88)
    grid = GeoBox((200, 300), Affine(3, 0, 0, 0, -3, 0), "EPSG:32633")
    assert Block(0, 64, 128, 50, 64).core(grid).shape == (50, 64)
