"""Memory: the workers' peak resident memory, over the size of the area and over the number of dates.

Blocks and assembly run in a process each, as the queues `gpu` and `io` do under `chronoseg serve`; the peaks are the
kernel's (ru_maxrss). The scenes go on around the area, as scenes do, so that every block reads its whole halo.

    python -m benchmarks.memory [--model NAME] [--sizes 2048,4096,8192] [--dates 4,16,64] [--block-px 1024] [--quick]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from workers.settings import Settings

if TYPE_CHECKING:
    from geo.scene import Scene
    from workers.plan import Plan

LIMIT_MB = 1500
FLAT_PCT = 10
MARGIN_PX = 128
"""How far the scenes go on around the area: more than any halo of the shipped networks that tile exactly."""


def write_scenes(_model: str, size_px: int, dates: int, _block_px: int, folder: Path) -> None:
    """Write the scenes of a job."""
    from benchmarks.series import write_series

    write_series(folder / "scenes", size_px, dates, margin_px=MARGIN_PX)
    print(json.dumps({"peak_mb": _peak_mb()}))


def run_blocks(model: str, size_px: int, dates: int, block_px: int, folder: Path) -> None:
    """Segment all blocks of a job in this process, and print their number and the peak memory as JSON."""
    from geo.reader import gdal_env
    from models.engines.open import open_engine
    from models.registry import find_model
    from workers.block_pipeline import segment_block

    _, checkpoint = find_model(model)
    plan, scenes = _plan(model, size_px, dates, block_px, folder)
    engine = open_engine(checkpoint, device="cpu")
    by_id = {scene.id: scene for scene in scenes}
    with gdal_env():
        for block in plan.blocks:
            segment_block(plan, block, by_id, engine, folder / f"{block.index:06d}", _go_on)
    print(json.dumps({"blocks": len(plan.blocks), "peak_mb": _peak_mb()}))


def run_assembly(model: str, size_px: int, dates: int, block_px: int, folder: Path) -> None:
    """Assemble the products of a job in this process, and print the peak memory as JSON."""
    from geo.reader import gdal_env
    from models.registry import find_model
    from workers.assembly import assemble

    card, _ = find_model(model)
    plan, _ = _plan(model, size_px, dates, block_px, folder)
    with gdal_env():
        assemble(plan, card, lambda index: folder / f"{index:06d}", folder / "products", _go_on)
    print(json.dumps({"peak_mb": _peak_mb()}))


def _plan(model: str, size_px: int, dates: int, block_px: int, folder: Path) -> tuple[Plan, list[Scene]]:
    from benchmarks.series import area_of, open_series
    from models.registry import find_model
    from service.defaults import MIN_AREA_HA, SIMPLIFY_PX
    from workers.planning import Request, make_plan

    card, _ = find_model(model)
    scenes = open_series(folder / "scenes", size_px, dates, margin_px=MARGIN_PX)
    request = Request(aoi=area_of(size_px), min_area_ha=MIN_AREA_HA, simplify_px=SIMPLIFY_PX)
    return make_plan(scenes, request, card, block_px=block_px, max_aoi_km2=1e9), scenes


def _go_on(_: object) -> None:
    """Neither dismissed nor reported."""


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


PARTS: dict[str, Callable[[str, int, int, int, Path], None]] = {
    "scenes": write_scenes, "blocks": run_blocks, "assembly": run_assembly,
}  # fmt: skip


def measure(model: str, size_px: int, dates: int, block_px: int) -> dict[str, float]:
    """Run the parts of one job, each in a child process."""
    start, peaks, blocks = perf_counter(), {}, 0
    with tempfile.TemporaryDirectory(prefix="chronoseg-bench-") as folder:
        for part in PARTS:
            arguments = [part, model, str(size_px), str(dates), str(block_px), folder]
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.memory", "--one", *arguments], check=True, stdout=subprocess.PIPE
            )
            told = json.loads(done.stdout.splitlines()[-1])
            peaks[part], blocks = told["peak_mb"], told.get("blocks", blocks)
    return {
        "blocks_mb": peaks["blocks"], "assembly_mb": peaks["assembly"], "seconds": perf_counter() - start,
        "peak_mb": max(peaks["blocks"], peaks["assembly"]), "blocks": blocks,
    }  # fmt: skip


def report(model: str, cases: Iterable[tuple[int, int]], block_px: int, title: str) -> None:
    """Measure and print one table: a row per (size, dates), compared with the first."""
    print(f"\n{title} ({model}, blocks of {block_px} px, CPU)", flush=True)
    peaks: list[float] = []
    for size_px, dates in cases:
        result = measure(model, size_px, dates, block_px)
        peaks.append(result["peak_mb"])
        parts = f"blocks {result['blocks_mb']:5.0f}, assembly {result['assembly_mb']:5.0f}"
        print(
            f"  {size_px:>5} x {size_px:<5} px x {dates:>3} dates   peak {result['peak_mb']:7.0f} MB ({parts})   "
            f"{peaks[-1] / peaks[0]:5.2f} of the first   {result['blocks']:3.0f} blocks in {result['seconds']:6.0f} s",
            flush=True,
        )
    spread = 100 * (max(peaks) / min(peaks) - 1)
    print(f"  spread {spread:.1f} % (at most {FLAT_PCT}), largest {max(peaks):.0f} MB (under {LIMIT_MB})", flush=True)


def report_all(model: str, sizes: list[int], dates: list[int], block_px: int) -> None:
    """Print both tables."""
    if sizes:
        report(model, [(size, 8) for size in sizes], block_px, "Memory over the size of the image")
    if dates:
        report(model, [(min(sizes, default=2048), number) for number in dates], block_px, "Memory over the dates")


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="burned-area")
    parser.add_argument("--sizes", default="2048,4096,8192")
    parser.add_argument("--dates", default="4,16,64")
    parser.add_argument("--block-px", type=int, default=Settings().block_px)
    parser.add_argument("--quick", action="store_true", help="2048 and 4096 px, 4 and 16 dates")
    parser.add_argument(
        "--one", nargs=6, metavar=("PART", "MODEL", "SIZE", "DATES", "BLOCK", "FOLDER"), help=argparse.SUPPRESS
    )
    wanted = parser.parse_args()
    if wanted.one:
        part, model, size, dates, block, folder = wanted.one
        PARTS[part](model, int(size), int(dates), int(block), Path(folder))
        return
    sizes, dates = ("2048,4096", "4,16") if wanted.quick else (wanted.sizes, wanted.dates)
    report_all(wanted.model, _numbers(sizes), _numbers(dates), wanted.block_px)


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part]


if __name__ == "__main__":
    main()
