from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from geo.blocks import Block, Window
from geo.reader import DateReader, data_window
from geo.scene import Scene
from models.card import Card
from tests.geo.scenes import clouds, landscape, lonlat_box, utm_grid, write_scene
from tests.workers.plain_network import PlainEngine, plain_card
from workers.block_pipeline import FILES, segment_block, window_of
from workers.errors import Dismissed
from workers.plan import Plan
from workers.planning import Request, make_plan

FIRST = datetime(2020, 8, 1, 10, 30, tzinfo=UTC)
GRID = utm_grid(157, 203)


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> list[Scene]:
    """Four dates; the second in two overlapping scenes, on one lattice."""
    folder = tmp_path_factory.mktemp("series")
    left, right = utm_grid(157, 120), utm_grid(150, 113, x=500_001.5 + 90 * 3)
    scenes = [
        write_scene(folder, f"d{number}", GRID, acquired=FIRST + timedelta(days=9 * number), seed=number)
        for number in (0, 2, 3)
    ]
    for name, grid, seconds in (("left", left, 0), ("right", right, 8)):
        when = FIRST + timedelta(days=9, seconds=seconds)
        scenes.append(write_scene(folder, name, grid, acquired=when, seed=10 + seconds))
    return scenes


def run(
    scenes: Sequence[Scene], out: Path, *, block_px: int, aoi: Mapping[str, Any] | None = None, card: Card | None = None
) -> tuple[Plan, dict[str, NDArray[Any]]]:
    """Segment and stitch: every file of the pipeline as one array on the plan's grid, 255 or 0 where no block lies."""
    engine = PlainEngine(card)
    plan = make_plan(scenes, Request(aoi=aoi), engine.card, block_px=block_px, max_aoi_km2=1000)
    stitched: dict[str, NDArray[Any]] = {}
    for block in plan.blocks:
        folder = out / str(block.index)
        segment_block(plan, block, {scene.id: scene for scene in scenes}, engine, folder, print)
        assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
        for name in FILES:
            with rasterio.open(folder / name) as dataset:
                data = dataset.read()
                assert dataset.transform.almost_equals(block.core(plan.geobox).affine)
            whole = stitched.setdefault(
                name, np.full((len(data), *plan.geobox.shape), 0 if name == "summary.tif" else 255, data.dtype)
            )
            whole[:, block.row : block.row + block.height, block.col : block.col + block.width] = data
    return plan, stitched


@pytest.mark.parametrize("block_px", [32, 52, 96])
@pytest.mark.parametrize("box", [(-9.0, -9.0, 170.0, 220.0), (13.4, 7.7, 91.2, 188.3)])
def test_blocks_of_any_size_give_the_whole(
    series: list[Scene], tmp_path: Path, block_px: int, box: tuple[float, float, float, float]
) -> None:
    aoi = lonlat_box(GRID, *box)
    _, whole = run(series, tmp_path / "whole", block_px=1024, aoi=aoi)
    plan, tiled = run(series, tmp_path / "tiled", block_px=block_px, aoi=aoi)
    assert len(plan.blocks) > 1
    for name in FILES:
        np.testing.assert_array_equal(tiled[name], whole[name])
    assert {0, 1, 255} <= set(np.unique(whole["masks.tif"]))


def test_a_pixel_does_not_depend_on_the_area(series: list[Scene], tmp_path: Path) -> None:
    one, two = lonlat_box(GRID, 11.3, 9.1, 97.2, 120.9), lonlat_box(GRID, 40.6, 37.7, 149.9, 199.5)
    plan_1, first = run(series, tmp_path / "1", block_px=64, aoi=one)
    plan_2, second = run(series, tmp_path / "2", block_px=44, aoi=two)
    both = plan_1.geobox & plan_2.geobox
    parts = []
    for plan, arrays in ((plan_1, first), (plan_2, second)):
        col, row = (round(v) for v in ~plan.geobox.affine * (both.affine.c, both.affine.f))
        parts.append(arrays["masks.tif"][:, row : row + both.shape[0], col : col + both.shape[1]])
    inside = (parts[0] != 255) & (parts[1] != 255)
    assert inside.sum() > 5000
    np.testing.assert_array_equal(parts[0][inside], parts[1][inside])


def test_a_smaller_halo_would_show(series: list[Scene], tmp_path: Path) -> None:
    """The oracle can fail: with less context than the radius, blocks differ from the whole."""
    card = plain_card(radius_px=0)
    _, whole = run(series, tmp_path / "whole", block_px=1024)
    _, tiled = run(series, tmp_path / "tiled", block_px=32, card=card)
    assert (whole["masks.tif"] != tiled["masks.tif"]).any()


def test_scenes_on_other_grids_tile_exactly(tmp_path: Path) -> None:
    shifted = GeoBox((150, 180), Affine(3, 0, 500_037.1, 0, -3, 4_499_985.7), "EPSG:32633")
    x, y = Transformer.from_crs(32633, 32632, always_xy=True).transform(*(shifted.affine * (90, 75)))
    other_zone = GeoBox((120, 160), Affine(4, 0, x - 320, 0, -4, y + 240), "EPSG:32632")
    scenes = [
        write_scene(tmp_path, "a", GRID, acquired=FIRST, seed=1),
        write_scene(tmp_path, "b", shifted, acquired=FIRST + timedelta(days=5), seed=2),
        write_scene(tmp_path, "c", other_zone, acquired=FIRST + timedelta(days=7), seed=3),
    ]
    plan, whole = run(scenes, tmp_path / "whole", block_px=1024)
    _, tiled = run(scenes, tmp_path / "tiled", block_px=44)
    assert plan.geobox.crs == GRID.crs
    for name in FILES:
        np.testing.assert_array_equal(tiled[name], whole[name])
    assert (whole["observed.tif"] == 1).any(axis=(1, 2)).all()


def test_masks_are_what_the_engine_says_of_the_whole_image(series: list[Scene], tmp_path: Path) -> None:
    plan, tiled = run(series, tmp_path, block_px=40)
    by_id = {scene.id: scene for scene in series}
    engine, data = PlainEngine(), data_window(series, plan.geobox)
    assert data is not None
    window = data.aligned(4)
    core = Window(0, 0, *plan.geobox.shape).within(window)
    state, history = engine.start(window.height, window.width), []
    for date in plan.dates:
        reader = DateReader([by_id[name] for name in date.scene_ids], plan.geobox, engine.card.bands)
        state, probs = engine.step(state, *reader.read(window), date.day)
        probs = probs[:, *core]
        history.append(np.where(np.isnan(probs[0]), 255, np.argmax(probs, axis=0)))
    inside = tiled["observed.tif"][0] != 255
    np.testing.assert_array_equal(tiled["masks.tif"][:, inside], np.array(history)[:, inside])
    confidence = tiled["summary.tif"][3]
    seen = inside & (history[-1] != 255)
    np.testing.assert_array_equal(confidence[seen], np.rint(probs.max(axis=0) * 100)[seen])
    assert (confidence[~seen] == -1).all()


def test_a_cloudy_date_and_nan_under_the_mask_change_nothing(series: list[Scene], tmp_path: Path) -> None:
    no_pixel = np.zeros(GRID.shape, bool)
    cloudy = write_scene(tmp_path, "cloudy", GRID, acquired=FIRST + timedelta(days=20), seed=9, clear=no_pixel)
    _, without = run(series, tmp_path / "without", block_px=64)
    plan, with_it = run([*series, cloudy], tmp_path / "with", block_px=64)
    at = [date.scene_ids for date in plan.dates].index(("cloudy",))
    kept = [index for index in range(len(plan.dates)) if index != at]
    np.testing.assert_array_equal(with_it["masks.tif"][kept], without["masks.tif"])
    inside = with_it["observed.tif"][0] != 255
    assert (with_it["observed.tif"][at][inside] == 0).all()


def test_values_under_the_mask_do_not_matter(tmp_path: Path) -> None:
    values, clear = landscape(157, 203, 5), ~clouds(157, 203, 5)
    spoilt = np.where(clear, values, np.uint16(65535))
    for name, pixels in (("clean", values), ("spoilt", spoilt)):
        write_scene(tmp_path / name, "a", GRID, values=pixels, clear=clear)
    masks = [
        run(
            [write_scene(tmp_path / name, "a", GRID, values=pixels, clear=clear)], tmp_path / f"{name}_out", block_px=64
        )
        for name, pixels in (("clean", values), ("spoilt", spoilt))
    ]
    np.testing.assert_array_equal(masks[0][1]["masks.tif"], masks[1][1]["masks.tif"])


def test_the_same_input_gives_the_same_bytes(series: list[Scene], tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        run(series, tmp_path / name, block_px=80)
        files = sorted((tmp_path / name).rglob("*.tif"))
        digests.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in files])
    assert digests[0] == digests[1]
    assert len(digests[0]) >= 6


def test_an_error_between_dates_leaves_nothing(series: list[Scene], tmp_path: Path) -> None:
    engine = PlainEngine()
    plan = make_plan(series, Request(), engine.card, block_px=64, max_aoi_km2=1000)
    calls: list[int] = []

    def stop_at_the_third(index: int) -> None:
        calls.append(index)
        if index == 2:
            raise Dismissed("the job was dismissed")

    with pytest.raises(Dismissed):
        segment_block(
            plan, plan.blocks[0], {scene.id: scene for scene in series}, engine, tmp_path / "out", stop_at_the_third
        )
    assert calls == [0, 1, 2]
    assert not list((tmp_path / "out").iterdir())


def test_windows_end_where_data_end(series: list[Scene]) -> None:
    engine, by_id = PlainEngine(), {scene.id: scene for scene in series}
    plan = make_plan(series, Request(), engine.card, block_px=64, max_aoi_km2=1000)
    data = data_window(series, plan.geobox)
    assert data is not None
    windows = [window_of(plan, block, by_id, 4) for block in plan.blocks]
    assert all(window & data.aligned(4) == window for window in windows)
    assert all(window.height % 4 == 0 and window.width % 4 == 0 for window in windows)
    assert max(window.height for window in windows) <= 72 + 2 * plan.halo_px


def test_a_block_that_reaches_beyond_all_data_is_nodata_there(tmp_path: Path) -> None:
    one = write_scene(tmp_path, "one", utm_grid(60, 60), acquired=FIRST, seed=1)
    plan = make_plan([one], Request(), plain_card(), block_px=1024, max_aoi_km2=1000)
    wider = replace(plan, geobox=plan.geobox.pad(12), aoi=one.footprint.buffer(0.001))
    wider = replace(wider, blocks=(Block(0, 0, 0, *wider.geobox.shape),))
    segment_block(plan, plan.blocks[0], {"one": one}, PlainEngine(), tmp_path / "plan", print)
    segment_block(wider, wider.blocks[0], {"one": one}, PlainEngine(), tmp_path / "wider", print)
    with rasterio.open(tmp_path / "plan" / "masks.tif") as near, rasterio.open(tmp_path / "wider" / "masks.tif") as far:
        narrow, wide = near.read(1), far.read(1)
    rows, cols = narrow.shape
    np.testing.assert_array_equal(wide[12 : 12 + rows, 12 : 12 + cols], narrow)
    assert (wide[:12] == 255).all()


def test_a_block_without_any_data_is_all_nodata(tmp_path: Path) -> None:
    one = write_scene(tmp_path, "one", utm_grid(60, 60), acquired=FIRST, seed=1)
    plan = make_plan([one], Request(), plain_card(), block_px=1024, max_aoi_km2=1000)
    far = replace(plan, geobox=plan.geobox.translate_pix(4000, 4000), aoi=one.footprint.buffer(0.5))
    segment_block(far, far.blocks[0], {"one": one}, PlainEngine(), tmp_path / "out", print)
    with rasterio.open(tmp_path / "out" / "masks.tif") as dataset:
        assert (dataset.read() == 255).all()
