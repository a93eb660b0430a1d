"""How right the time left is that a job's events tell, in a job that really runs.

The demo's series on `chronoseg serve`: one job teaches the service what assembling takes on this machine, the next is
measured. Prints every estimate after the first tenth of the job beside the truth, and the share within a factor of two.

    python -m benchmarks.time_left [--size 3072] [--dates 4] [--block 512]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from service.demo.client import Client
from service.demo.run import running_service
from service.demo.series import CHAPTERS, write_series


def follow(client: Client, inputs: dict[str, Any]) -> tuple[list[tuple[float, float]], float]:
    """Run a job; return (seconds since it began, seconds left as told) for every event, and its seconds in all."""
    start, told = time.perf_counter(), []
    info: dict[str, Any] = {}
    for info in client.follow(client.start_job(inputs)):
        if "secondsLeft" in info:
            told.append((time.perf_counter() - start, float(info["secondsLeft"])))
    if info["status"] != "successful":
        sys.exit(f"the job ended as {info['status']}: {info['message']}")
    return told, time.perf_counter() - start


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=3072, help="edge of the area in pixels")
    parser.add_argument("--dates", type=int, default=4)
    parser.add_argument("--block", type=int, default=512, help="edge of a block in pixels")
    wanted = parser.parse_args()
    os.environ["CHRONOSEG_BLOCK_PX"] = str(wanted.block)
    with tempfile.TemporaryDirectory(prefix="chronoseg-bench-") as name:
        folder = Path(name)
        written = write_series(CHAPTERS[0], wanted.size, wanted.dates, folder / "scenes")
        with running_service(folder, Console(file=sys.stderr)) as url:
            client = Client(url)
            client.wait_for_scenes([client.upload(scene, lambda _: None) for scene in written.scenes], lambda: None)
            inputs = {"aoi": written.aoi, "period": written.period, "model": "burned-area"}
            for title in ("the first job", "the second job"):
                report(title, *follow(client, inputs))
            client.close()


def report(title: str, told: list[tuple[float, float]], whole_s: float) -> None:
    """Print the estimates of one job."""
    judged = [(at, left, whole_s - at) for at, left in told if at >= whole_s / 10]
    right = [0.5 <= left / true <= 2 for _, left, true in judged if true > 0]
    print(f"{title}: {whole_s:.1f} s; {sum(right)} of {len(right)} estimates within a factor of two")
    for at, left, true in judged:
        print(f"  after {at:6.1f} s: told {left:6.1f} s, true {true:6.1f} s, ratio {left / true:5.2f}")


if __name__ == "__main__":
    main()
