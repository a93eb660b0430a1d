"""Static networks in the main job: tiled is whole, exactly or by one global lattice of blended tiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geo.blocks import Window
from geo.scene import Scene
from models.card import Card
from models.engine import Engine
from models.engines.blend import BlendEngine, tile_spans, tile_weights
from models.engines.onnx import OnnxEngine
from models.engines.open import open_engine
from models.errors import CheckpointRefused
from tests.geo.scenes import lonlat_box, utm_grid, write_scene
from tests.models.static_nets import RADII
from tests.workers.plain_network import plain_card
from workers.block_pipeline import FILES, segment_block
from workers.plan import Plan
from workers.planning import Request, make_plan

FIRST = datetime(2020, 8, 1, 10, 30, tzinfo=UTC)
GRID = utm_grid(157, 203)
STRIPS = {"wide": utm_grid(37, 673), "tall": utm_grid(673, 37)}
"""Longer than any halo on both sides of a block, and cheap."""


def make_series(folder: Path, grid: GeoBox) -> list[Scene]:
    return [
        write_scene(folder, f"d{number}", grid, acquired=FIRST + timedelta(days=number), seed=number)
        for number in (1, 2)
    ]


def run(
    scenes: Sequence[Scene], out: Path, engine: Engine, *, block_px: int, aoi: Mapping[str, Any] | None = None
) -> tuple[Plan, dict[str, NDArray[Any]]]:
    """Segment and stitch: every file of the pipeline as one array on the plan's grid; -9 where no block lies."""
    plan = make_plan(scenes, Request(aoi=aoi), engine.card, block_px=block_px, max_aoi_km2=1000)
    stitched: dict[str, NDArray[Any]] = {}
    for block in plan.blocks:
        segment_block(
            plan, block, {scene.id: scene for scene in scenes}, engine, out / str(block.index), lambda _: None
        )
        for name in FILES:
            with rasterio.open(out / str(block.index) / name) as dataset:
                data = dataset.read().astype(np.int32)
            whole = stitched.setdefault(name, np.full((len(data), *plan.geobox.shape), -9, np.int32))
            whole[:, *block.kept.within(Window(0, 0, *plan.geobox.shape))] = data
    return plan, stitched


def assert_same(tiled: dict[str, NDArray[Any]], whole: dict[str, NDArray[Any]]) -> None:
    for name in FILES:
        blocks = tiled[name] != -9
        np.testing.assert_array_equal(tiled[name][blocks], whole[name][blocks])
    assert {0, 1} <= set(np.unique(tiled["masks.tif"]))


@pytest.mark.parametrize("shape", STRIPS)
@pytest.mark.parametrize("name", RADII)
def test_exact_networks_tile_exactly(saved: Callable[[str], Path], tmp_path: Path, name: str, shape: str) -> None:
    series = make_series(tmp_path, STRIPS[shape])
    engine = open_engine(saved(name), device="cpu", threads=1)
    _, whole = run(series, tmp_path / "whole", engine, block_px=2048)
    for block_px in (64, 224):
        plan, tiled = run(series, tmp_path / f"tiled{block_px}", engine, block_px=block_px)
        assert len(plan.blocks) > 2
        assert_same(tiled, whole)


def test_a_smaller_halo_would_show(saved: Callable[[str], Path], tmp_path: Path) -> None:
    series, engine = make_series(tmp_path, STRIPS["wide"]), open_engine(saved("unet-vgg16_bn"), device="cpu", threads=1)
    _, whole = run(series, tmp_path / "whole", engine, block_px=2048)
    engine._card = engine.card.model_copy(update={"radius_px": 0})  # type: ignore[attr-defined]
    _, tiled = run(series, tmp_path / "tiled", engine, block_px=64)
    assert (whole["masks.tif"] != tiled["masks.tif"]).any()


class WholeTile:
    """A network without memory whose every pixel depends on the whole tile, and on where in the tile it lies."""

    def __init__(self, card: Card | None = None) -> None:
        self.card = card or plain_card(tiling="blend", stride_px=16, radius_px=32, tile_px=48)
        self.tiles: set[tuple[int, int]] = set()

    def start(self, height: int, width: int) -> None:
        self.tiles.add((height, width))

    def step(
        self, _state: None, reflectance: NDArray[np.float32], clear: NDArray[np.bool_], _day: int
    ) -> tuple[None, NDArray[np.float32]]:
        red = np.where(clear, reflectance[2], np.float32(0))
        ramp = np.linspace(-1, 1, clear.shape[0], dtype=np.float32)[:, None]
        logit = 40 * (red - red.sum(dtype=np.float64) / clear.size) + ramp
        burned = np.where(clear, 1 / (1 + np.exp(-logit)), np.nan).astype(np.float32)
        return None, np.stack([1 - burned, burned])


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> list[Scene]:
    return make_series(tmp_path_factory.mktemp("series"), GRID)


@pytest.mark.parametrize("block_px", [16, 64, 112])
@pytest.mark.parametrize("box", [(-9.0, -9.0, 170.0, 220.0), (13.4, 7.7, 91.2, 188.3)])
def test_blended_blocks_of_any_size_give_the_whole(
    series: list[Scene], tmp_path: Path, block_px: int, box: tuple[float, float, float, float]
) -> None:
    aoi = lonlat_box(GRID, *box)
    _, whole = run(series, tmp_path / "whole", BlendEngine(WholeTile()), block_px=1024, aoi=aoi)
    inner = WholeTile()
    plan, tiled = run(series, tmp_path / "tiled", BlendEngine(inner), block_px=block_px, aoi=aoi)
    assert len(plan.blocks) > 1
    assert_same(tiled, whole)
    assert inner.tiles == {(48, 48)}


def test_a_blended_pixel_does_not_depend_on_the_area(series: list[Scene], tmp_path: Path) -> None:
    one, two = lonlat_box(GRID, 11.3, 9.1, 97.2, 120.9), lonlat_box(GRID, 40.6, 37.7, 149.9, 199.5)
    plan_1, first = run(series, tmp_path / "1", BlendEngine(WholeTile()), block_px=32, aoi=one)
    plan_2, second = run(series, tmp_path / "2", BlendEngine(WholeTile()), block_px=80, aoi=two)
    both = plan_1.geobox & plan_2.geobox
    parts = []
    for plan, arrays in ((plan_1, first), (plan_2, second)):
        col, row = (round(v) for v in ~plan.geobox.affine * (both.affine.c, both.affine.f))
        parts.append(arrays["masks.tif"][:, row : row + both.shape[0], col : col + both.shape[1]])
    inside = np.logical_and(*((part >= 0) & (part != 255) for part in parts))
    assert inside.sum() > 4000
    np.testing.assert_array_equal(parts[0][inside], parts[1][inside])


def test_blending_with_too_little_context_would_show(series: list[Scene], tmp_path: Path) -> None:
    """The oracle can fail: tiles cut at each block's own edges give other masks."""
    engine = WholeTile(plain_card(tiling="blend", stride_px=16, radius_px=0, tile_px=16))
    _, whole = run(series, tmp_path / "whole", engine, block_px=1024)
    _, tiled = run(series, tmp_path / "tiled", engine, block_px=64)
    assert (whole["masks.tif"] != tiled["masks.tif"]).any()


def test_data_smaller_than_a_tile_are_one_tile(tmp_path: Path) -> None:
    inner = WholeTile(plain_card(tiling="blend", stride_px=64, radius_px=64, tile_px=128))
    scene = write_scene(tmp_path, "small", utm_grid(50, 150), acquired=FIRST, seed=1)
    _, whole = run([scene], tmp_path / "whole", BlendEngine(inner), block_px=1024)
    _, tiled = run([scene], tmp_path / "tiled", BlendEngine(inner), block_px=64)
    assert_same(tiled, whole)
    assert len(inner.tiles) == 1  # the same for every block


@pytest.mark.parametrize("name", ["pspnet-resnet18", "fcn-8s-resnet18"])
def test_a_job_of_a_blending_network_does_not_depend_on_its_blocks(
    saved: Callable[[str], Path], series: list[Scene], tmp_path: Path, name: str
) -> None:
    engine, aoi = open_engine(saved(name), device="cpu", threads=1), lonlat_box(GRID, 13.4, 7.7, 131.2, 188.3)
    assert isinstance(engine, BlendEngine)
    results = [run(series, tmp_path / str(size), engine, block_px=size, aoi=aoi)[1] for size in (1024, 64)]
    assert_same(results[1], results[0])


def test_without_blending_a_pyramid_would_show_its_blocks(
    saved: Callable[[str], Path], series: list[Scene], tmp_path: Path
) -> None:
    engine = open_engine(saved("pspnet-resnet18"), device="cpu", threads=1)
    inner = OnnxEngine(saved("pspnet-resnet18"), engine.card, threads=1)
    results = [run(series, tmp_path / str(size), inner, block_px=size)[1]["masks.tif"] for size in (1024, 64)]
    assert (results[0] != results[1]).any()


def test_the_lattice_of_tiles() -> None:
    assert [(s.start, s.stop) for s in tile_spans(160, 64, 32)] == [(0, 64), (32, 96), (64, 128), (96, 160)]
    assert [(s.start, s.stop) for s in tile_spans(64, 64, 32)] == [(0, 64)]
    assert [(s.start, s.stop) for s in tile_spans(32, 64, 32)] == [(0, 32)]


def test_weights_are_positive_and_half_overlapping_tiles_sum_to_one() -> None:
    weights = tile_weights(64)
    assert float(weights.min()) > 0
    np.testing.assert_allclose(weights[:32] + weights[32:], 1, rtol=1e-6)


def test_blending_repeats_the_last_look_and_needs_tiles() -> None:
    rng, engine = np.random.default_rng(0), BlendEngine(WholeTile())
    x, clear = rng.uniform(size=(4, 64, 48)).astype(np.float32), rng.uniform(size=(64, 48)) > 0.5
    state, first = engine.step(engine.start(64, 48), x, clear, 1)
    assert np.array_equal(np.isnan(first[0]), ~clear)
    kept = first.copy()
    state, second = engine.step(state, x + 1, np.zeros_like(clear), 2)
    assert second.tobytes() == first.tobytes() == kept.tobytes()
    with pytest.raises(CheckpointRefused, match="tile_px"):
        BlendEngine(WholeTile(plain_card()))
