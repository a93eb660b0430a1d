"""Speed: from scene files to products, over the same engine's bare forward pass on the same pixels, in one run.

Block by block, the pipeline and the bare passes take turns, so that a machine that slows down slows all of them.

    python -m benchmarks.speed [--model NAME] [--size 2048] [--dates 8] [--block-px 1024] [--threads 0]
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from benchmarks.series import write_series
from geo.blocks import Block, Window
from geo.ingest import IngestOptions, ingest
from geo.reader import DateReader, gdal_env
from geo.scene import Scene
from models.card import Card
from models.engine import Engine
from models.engines.open import open_engine
from models.registry import find_model
from workers.assembly import assemble
from workers.block_pipeline import segment_block, window_of
from workers.plan import Plan
from workers.planning import Request, make_plan

FLOPS_PX = 256


@dataclass
class Seconds:
    """Time spent, in seconds."""

    segment: float = 0.0
    rasters: float = 0.0
    vectors: float = 0.0
    bare_cores: float = 0.0
    bare_windows: float = 0.0
    ingest: float = 0.0


def measure(folder: Path, scenes: list[Scene], engine: Engine, plan: Plan, *, repeats: int = 1) -> Seconds:
    """Run a plan block by block, the bare passes in between; then assemble, and ingest the files anew."""
    by_id, spent = {scene.id: scene for scene in scenes}, Seconds()
    first = plan.blocks[0]
    segment_block(plan, first, by_id, engine, folder / "warm", lambda index: None)  # noqa: ARG005
    with gdal_env():
        for block in plan.blocks * repeats:
            start = perf_counter()
            segment_block(plan, block, by_id, engine, folder / f"{block.index:06d}", lambda index: None)  # noqa: ARG005
            spent.segment += perf_counter() - start
            window = window_of(plan, block, by_id, engine.card.stride_px)
            spent.bare_cores += _bare(engine, plan, by_id, _core(block, engine.card))
            spent.bare_windows += _bare(engine, plan, by_id, window)
    spent.rasters, spent.vectors = _assemble(folder, engine.card, plan)
    for attribute in ("segment", "bare_cores", "bare_windows"):
        setattr(spent, attribute, getattr(spent, attribute) / repeats)
    start = perf_counter()
    for scene in scenes:
        bands = {role: number for number, role in enumerate(scene.bands, start=1)}
        options = IngestOptions(scene.id, acquired=scene.acquired, bands=bands, scale=1e-4)
        ingest(Path(scene.reflectance), folder / "ingested" / scene.id, options)
    spent.ingest = perf_counter() - start
    return spent


def _assemble(folder: Path, card: Card, plan: Plan) -> tuple[float, float]:
    """Build the products; return the time for the rasters, and for everything else."""
    began: list[tuple[str, float]] = []
    assemble(
        plan,
        card,
        lambda index: folder / f"{index:06d}",
        folder / "products",
        lambda name: began.append((name, perf_counter())),
    )
    began.append(("", perf_counter()))
    took = [(name, after - before) for (name, before), (_, after) in pairwise(began)]
    rasters = sum(seconds for name, seconds in took if name.endswith(".tif"))
    return rasters, sum(seconds for _, seconds in took) - rasters


def flops_per_pixel(folder: Path, card: Card) -> float:
    """Count the floating point operations of one step, multiplications and additions, per pixel and date."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from models.checkpoint import load_network
    from models.networks import stepping

    net = stepping(load_network(folder, card))
    net.fold()
    x = torch.zeros(1, len(card.bands), FLOPS_PX, FLOPS_PX)
    clear, day = torch.ones(1, FLOPS_PX, FLOPS_PX, dtype=torch.bool), torch.zeros(1)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        net.step(x, clear, day, *net.start(1, FLOPS_PX, FLOPS_PX))
    return float(counter.get_total_flops()) / FLOPS_PX**2


def _core(block: Block, card: Card) -> Window:
    return block.window(0, card.stride_px)


def _bare(engine: Engine, plan: Plan, scenes: dict[str, Scene], window: Window) -> float:
    """Time the engine alone over all dates of a window; pixels are read before the clock starts."""
    pixels: list[tuple[NDArray[np.float32], NDArray[np.bool_]]] = [
        DateReader([scenes[name] for name in date.scene_ids], plan.geobox, engine.card.bands).read(window)
        for date in plan.dates
    ]
    start = perf_counter()
    state = engine.start(window.height, window.width)
    for (reflectance, clear), date in zip(pixels, plan.dates, strict=True):
        state, _ = engine.step(state, reflectance, clear, date.day)
    return perf_counter() - start


def report(model: str, size_px: int, dates: int, block_px: int, threads: int, device: str, folder: Path) -> None:
    """Measure and print a table."""
    card, checkpoint = find_model(model)
    scenes = write_series(folder / "scenes", size_px, dates)
    plan = make_plan(scenes, Request(), card, block_px=block_px, max_aoi_km2=1e9)
    engine = open_engine(checkpoint, device=device, threads=threads)
    spent = measure(folder / "work", scenes, engine, plan)
    steps = size_px * size_px * dates
    total = spent.segment + spent.rasters
    products = total + spent.vectors
    print(f"\nSpeed: {card.id}, {size_px} x {size_px} px x {dates} dates, {len(plan.blocks)} blocks, {device}")
    rows = (
        ("bare forward, cores only", spent.bare_cores),
        ("bare forward, cores with halo", spent.bare_windows),
        ("blocks: files in, block files out", spent.segment),
        ("assembly: block files in, COGs out", spent.rasters),
        ("polygons, areas, styles", spent.vectors),
        ("files in, COGs out", total),
        ("files in, all products out", products),
        ("raw files in, ingest too, all products out", products + spent.ingest),
    )
    for name, seconds in rows:
        print(f"  {name:<48} {seconds:8.2f} s {steps / seconds / 1e6:8.3f} M pixels x dates / s")
    print(f"  end to end / bare forward on the same pixels     {spent.bare_cores / total:8.3f}  (at least 0.75)")
    print(f"  end to end / bare forward, halo counted too      {spent.bare_windows / total:8.3f}")
    print(f"  with polygons, areas, styles too                 {spent.bare_cores / products:8.3f}")
    print(f"  with ingest of raw files too                     {spent.bare_cores / (products + spent.ingest):8.3f}")
    print(f"  network: {flops_per_pixel(checkpoint, card) / 1e3:.1f} kFLOP per pixel and date (under 150)")


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="burned-area")
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--dates", type=int, default=8)
    parser.add_argument("--block-px", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chronoseg-bench-") as name:
        report(wanted.model, wanted.size, wanted.dates, wanted.block_px, wanted.threads, wanted.device, Path(name))


if __name__ == "__main__":
    main()
