"""The shipped networks through the whole pipeline: blocks of any size give the probabilities of the whole image."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from geo.scene import Scene
from geo.simulator.series import Series, simulate
from geo.simulator.spec import SeriesSpec, Theme
from models.engine import Engine, State
from models.engines.open import open_engine
from models.registry import SHIPPED
from tests.geo.scenes import lonlat_box, utm_grid, write_scene
from tests.workers.test_block_pipeline import FIRST
from workers.block_pipeline import segment_block, window_of
from workers.planning import Request, make_plan

GRID = utm_grid(229, 301)
AOI = lonlat_box(GRID, 5.3, 9.7, 221.2, 293.3)


class Recorder:
    """An engine that keeps what it says of every date."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.card = engine, engine.card
        self.said: list[NDArray[np.float32]] = []

    def start(self, height: int, width: int) -> State:
        """Pass on."""
        return self.engine.start(height, width)

    def step(
        self, state: State, reflectance: NDArray[np.float32], clear: NDArray[np.bool_], day: int
    ) -> tuple[State, NDArray[np.float32]]:
        """Pass on, and keep."""
        state, probs = self.engine.step(state, reflectance, clear, day)
        self.said.append(probs.copy())
        return state, probs


def scenes_of(series: Series, folder: Path) -> list[Scene]:
    first = int(series.days[0])
    return [
        write_scene(
            folder, f"d{date}", GRID, acquired=FIRST + timedelta(days=int(series.days[date]) - first),
            values=np.clip(np.rint(series.reflectance[date] * 1e4), 1, 65535).astype(np.uint16),
            clear=series.clear[date],
        )
        for date in range(series.spec.dates)
    ]  # fmt: skip


def run(
    scenes: Sequence[Scene], engine: Engine, out: Path, block_px: int
) -> tuple[int, NDArray[np.float32], NDArray[np.uint8]]:
    """Return the number of blocks, probabilities (T, K, H, W) and masks (T, H, W), stitched."""
    plan = make_plan(scenes, Request(aoi=AOI), engine.card, block_px=block_px, max_aoi_km2=1000)
    by_id = {scene.id: scene for scene in scenes}
    probs = np.full((len(plan.dates), 2, *plan.geobox.shape), np.nan, np.float32)
    masks = np.full((len(plan.dates), *plan.geobox.shape), 255, np.uint8)
    for block in plan.blocks:
        recorder, window = Recorder(engine), window_of(plan, block, by_id, engine.card.stride_px)
        segment_block(plan, block, by_id, recorder, out / str(block.index), print)
        core = np.s_[block.row : block.row + block.height, block.col : block.col + block.width]
        part = block.kept & window
        assert part is not None
        rows, cols = part.within(window)
        there = np.s_[part.row : part.row + part.height, part.col : part.col + part.width]
        probs[:, :, *there] = np.stack(recorder.said)[:, :, rows, cols]
        with rasterio.open(out / str(block.index) / "masks.tif") as dataset:
            masks[:, *core] = dataset.read()
    return len(plan.blocks), probs, masks


@pytest.mark.parametrize(("theme", "tta"), [("burned-area", False), ("burned-area", True), ("tree-cover", False)])
def test_shipped_networks_tile_exactly(theme: Theme, tta: bool, tmp_path: Path) -> None:
    spec = SeriesSpec(
        theme=theme, height=GRID.shape[0], width=GRID.shape[1], dates=3, fire_chance=1.0, clearing_chance=1.0
    )
    scenes = scenes_of(simulate(spec, 11_900), tmp_path)
    engine = open_engine(SHIPPED / theme, device="cpu", threads=1, tta=tta)
    blocks, whole, masks = run(scenes, engine, tmp_path / "whole", 1024)
    assert blocks == 1
    assert {0, 1, 255} <= set(np.unique(masks))
    for block_px in (56, 104, 168):
        blocks, tiled, tiled_masks = run(scenes, engine, tmp_path / str(block_px), block_px)
        assert blocks > 1
        np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-5)
        np.testing.assert_array_equal(tiled_masks, masks)
