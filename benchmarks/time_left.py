"""How right the time left is that a job's events tell, in a job that really runs.

The demo's series on `chronoseg serve`: one job teaches the service what assembling takes on this machine, the next is
measured. Prints every estimate after the first tenth of the job beside the truth, and the share within a factor of two.

    python -m benchmarks.time_left [--size 3072] [--dates 4] [--block 512]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.demo_jobs import serving_demo


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=3072, help="edge of the area in pixels")
    parser.add_argument("--dates", type=int, default=4)
    parser.add_argument("--block", type=int, default=512, help="edge of a block in pixels")
    wanted = parser.parse_args()
    os.environ["CHRONOSEG_BLOCK_PX"] = str(wanted.block)
    with (
        tempfile.TemporaryDirectory(prefix="chronoseg-bench-") as name,
        serving_demo(Path(name), wanted.size, wanted.dates) as served,
    ):
        for title in ("the first job", "the second job"):
            told: list[tuple[float, float]] = []
            whole_s = served.run(partial(_note, told))
            report(title, told, whole_s)


def _note(told: list[tuple[float, float]], at_s: float, info: dict[str, Any]) -> None:
    """Keep the time left that an event tells."""
    if "secondsLeft" in info:
        told.append((at_s, float(info["secondsLeft"])))


def report(title: str, told: list[tuple[float, float]], whole_s: float) -> None:
    """Print the estimates of one job."""
    judged = [(at, left, whole_s - at) for at, left in told if at >= whole_s / 10]
    right = [0.5 <= left / true <= 2 for _, left, true in judged if true > 0]
    print(f"{title}: {whole_s:.1f} s; {sum(right)} of {len(right)} estimates within a factor of two")
    for at, left, true in judged:
        print(f"  after {at:6.1f} s: told {left:6.1f} s, true {true:6.1f} s, ratio {left / true:5.2f}")


if __name__ == "__main__":
    main()
