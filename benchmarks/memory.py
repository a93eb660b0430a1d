"""Memory: a worker's peak resident memory, over the size of the image and over the number of dates.

Each run is a process of its own that does a worker's whole part of a job (blocks and assembly); the peak is the
kernel's (VmHWM). Scenes are written by other processes before.

    python -m benchmarks.memory [--model NAME] [--sizes 2048,4096,8192] [--dates 4,16,64] [--block-px 1024] [--quick]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter

from workers.settings import Settings

LIMIT_MB = 1500
FLAT_PCT = 10


def run_one(model: str, size_px: int, dates: int, block_px: int, folder: Path) -> None:
    """Do a whole job in this process and print its peak memory and time as JSON."""
    from benchmarks.series import open_series
    from geo.reader import gdal_env
    from models.engines.open import open_engine
    from models.registry import find_model
    from workers.assembly import assemble
    from workers.block_pipeline import segment_block
    from workers.planning import Request, make_plan

    start = perf_counter()
    card, checkpoint = find_model(model)
    scenes = open_series(folder / "scenes", size_px, dates)
    plan = make_plan(scenes, Request(), card, block_px=block_px, max_aoi_km2=1e9)
    engine = open_engine(checkpoint, device="cpu")
    by_id = {scene.id: scene for scene in scenes}
    with gdal_env():
        for block in plan.blocks:
            segment_block(plan, block, by_id, engine, folder / f"{block.index:06d}", _go_on)
    blocks_mb = _peak_mb()
    assemble(plan, card, lambda index: folder / f"{index:06d}", folder / "products", _go_on)
    result = {"blocks_mb": blocks_mb, "peak_mb": _peak_mb(), "seconds": perf_counter() - start}
    print(json.dumps(result | {"blocks": len(plan.blocks)}))


def _go_on(_: object) -> None:
    """Neither dismissed nor reported."""


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(model: str, size_px: int, dates: int, block_px: int) -> dict[str, float]:
    """Run one job in a child process over freshly written scenes."""
    with tempfile.TemporaryDirectory(prefix="chronoseg-bench-") as name:
        write = "import sys; from pathlib import Path; from benchmarks.series import write_series as write; "
        write += f"write(Path({name!r}, 'scenes'), {size_px}, {dates})"
        subprocess.run([sys.executable, "-c", write], check=True)
        arguments = [model, str(size_px), str(dates), str(block_px), name]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.memory", "--one", *arguments], check=True, stdout=subprocess.PIPE
        )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def report(model: str, cases: Iterable[tuple[int, int]], block_px: int, title: str) -> None:
    """Measure and print one table: a row per (size, dates), compared with the first."""
    print(f"\n{title} ({model}, blocks of {block_px} px, CPU)", flush=True)
    peaks: list[float] = []
    for size_px, dates in cases:
        result = measure(model, size_px, dates, block_px)
        peaks.append(result["peak_mb"])
        print(
            f"  {size_px:>5} x {size_px:<5} px x {dates:>3} dates   peak {result['peak_mb']:7.0f} MB "
            f"(blocks alone {result['blocks_mb']:7.0f})   {peaks[-1] / peaks[0]:5.2f} of the first   "
            f"{result['blocks']:3.0f} blocks in {result['seconds']:6.0f} s",
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
    parser.add_argument("--one", nargs=5, metavar=("MODEL", "SIZE", "DATES", "BLOCK", "FOLDER"), help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.one:
        model, size, dates, block, folder = wanted.one
        run_one(model, int(size), int(dates), int(block), Path(folder))
        return
    sizes, dates = ("2048,4096", "4,16") if wanted.quick else (wanted.sizes, wanted.dates)
    report_all(wanted.model, _numbers(sizes), _numbers(dates), wanted.block_px)


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part]


if __name__ == "__main__":
    main()
