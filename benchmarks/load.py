"""The service under load: catalogue reads at a fixed rate and uploads under way, while a job runs.

`chronoseg serve` on its embedded default, on this machine; the job runs alone first, then under load. Reads are sent
when the clock says so, whether or not earlier ones are answered, and their time counts from then (no coordinated
omission). The uploads are slow ones, as over a field station's line: all of them last as long as the reads. The process
that makes the load takes CPU time of the same machine; its share is printed.

    python -m benchmarks.load [--rate 200] [--seconds 60] [--uploads 20] [--size 2048] [--dates 8] [--threads 0]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.demo_jobs import serving_demo

CONNECTIONS = 32
UPLOAD_BYTES = 12_000_000
_CHUNK = 20_000


@dataclass(frozen=True)
class Load:
    """What a time under load gave.

    Attributes:
        latencies_s: of every read, from when it was due.
        errors: what went wrong, of reads and uploads.
        uploads: that were taken.
        cpu_s: that making the load took.
    """

    latencies_s: list[float]
    errors: list[str]
    uploads: int
    cpu_s: float

    def percentile_ms(self, share: float) -> float:
        """Return the latency that this share of the reads does not exceed."""
        ordered = sorted(self.latencies_s)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def make_load(url: str, paths: list[str], rate: float, seconds: float, uploads: int) -> Load:
    """Send reads and uploads until the time is over; in a process of its own."""
    latencies: list[float] = []
    errors: list[str] = []
    taken = asyncio.run(_load(url, paths, (rate, seconds, uploads), latencies, errors))
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Load(latencies, errors, taken, used.ru_utime + used.ru_stime)


async def _load(
    url: str, paths: list[str], amounts: tuple[float, float, int], latencies: list[float], errors: list[str]
) -> int:
    rate, seconds, uploads = amounts
    host, port = str(urlsplit(url).hostname), int(urlsplit(url).port or 80)
    due: asyncio.Queue[tuple[float, str] | None] = asyncio.Queue()
    readers = [asyncio.create_task(_read(host, port, due, latencies, errors)) for _ in range(CONNECTIONS)]
    senders = [asyncio.create_task(_upload(host, port, number, seconds, errors)) for number in range(uploads)]
    start, which = time.perf_counter(), cycle(paths)
    for number in range(int(rate * seconds)):
        at = start + number / rate
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        due.put_nowait((at, next(which)))
    for _ in readers:
        due.put_nowait(None)
    await asyncio.gather(*readers)
    return sum(await asyncio.gather(*senders))


async def _read(
    host: str, port: int, due: asyncio.Queue[tuple[float, str] | None], latencies: list[float], errors: list[str]
) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    while (asked := await due.get()) is not None:
        at, path = asked
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
            status = await asyncio.wait_for(_answer(reader), 30)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as err:
            errors.append(f"{path}: {type(err).__name__} {err}")
            reader, writer = await asyncio.open_connection(host, port)
            continue
        latencies.append(time.perf_counter() - at)
        if status != 200:
            errors.append(f"{path}: {status}")
    writer.close()


async def _upload(host: str, port: int, number: int, seconds: float, errors: list[str]) -> bool:
    """Send a file slowly; it is none that can be read, so that no ingest takes the job's cores."""
    reader, writer = await asyncio.open_connection(host, port)
    head = f"POST /scenes?name=upload{number}.tif HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: image/tiff\r\n"
    writer.write(f"{head}Content-Length: {UPLOAD_BYTES}\r\n\r\n".encode())
    start = time.perf_counter()
    try:
        for sent in range(0, UPLOAD_BYTES, _CHUNK):
            writer.write(os.urandom(min(_CHUNK, UPLOAD_BYTES - sent)))
            await writer.drain()
            await asyncio.sleep(max(0.0, start + seconds * sent / UPLOAD_BYTES - time.perf_counter()))
        status = await asyncio.wait_for(_answer(reader), 60)
    except (OSError, asyncio.IncompleteReadError, TimeoutError) as err:
        errors.append(f"upload {number}: {type(err).__name__} {err}")
        return False
    finally:
        writer.close()
    if status != 201:
        errors.append(f"upload {number}: {status}")
    return status == 201


async def _answer(reader: asyncio.StreamReader) -> int:
    """Read an answer whose length is told; return its status."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    lengths = [line.split(":")[1] for line in head if line.lower().startswith("content-length:")]
    await reader.readexactly(int(lengths[0]))
    return int(head[0].split()[1])


def main() -> None:
    """Read the arguments, measure, print; exits with 1 where a read or an upload failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=200.0, help="catalogue reads in a second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--uploads", type=int, default=20, help="uploads at once")
    parser.add_argument("--size", type=int, default=2048, help="edge of the job's area in pixels")
    parser.add_argument("--dates", type=int, default=8)
    parser.add_argument("--threads", type=int, default=0, help="of the network; 0: all cores")
    wanted = parser.parse_args()
    os.environ["CHRONOSEG_THREADS"] = str(wanted.threads)
    with tempfile.TemporaryDirectory(prefix="chronoseg-bench-") as folder:
        failed = _measure(Path(folder), wanted)
    sys.exit(failed)


def _measure(folder: Path, wanted: argparse.Namespace) -> int:
    with serving_demo(folder, wanted.size, wanted.dates) as served:
        alone_s = served.run()
        paths = list(_paths(served.scenes, served.client.get(served.scenes[0])))
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            amounts = (wanted.rate, wanted.seconds, wanted.uploads)
            pending = pool.apply_async(make_load, (served.url, paths, *amounts))
            loaded_s = served.run()
            load: Load = pending.get(wanted.seconds * 3 + 300)
    _show(wanted, alone_s, loaded_s, load)
    return int(bool(load.errors))


def _paths(scenes: list[str], item: dict[str, Any]) -> Iterator[str]:
    """Name what a client of the catalogue reads."""
    west, south, east, north = item["bbox"]
    yield f"/search?bbox={west},{south},{east},{north}&limit=10"
    yield "/collections/masks/items?limit=10"
    yield "/jobs?limit=10"
    yield "/collections/scenes"
    for scene in scenes[:4]:
        name = scene.rsplit("/", 1)[-1]
        yield f"/scenes/{name}"
        yield f"/collections/scenes/items/{name}"


def _show(wanted: argparse.Namespace, alone_s: float, loaded_s: float, load: Load) -> None:
    found = {
        "reads": len(load.latencies_s),
        "p50_ms": round(load.percentile_ms(0.5), 1),
        "p99_ms": round(load.percentile_ms(0.99), 1),
        "worst_ms": round(load.percentile_ms(1.0), 1),
        "uploads": load.uploads,
        "errors": len(load.errors),
        "job_alone_s": round(alone_s, 1),
        "job_under_load_s": round(loaded_s, 1),
        "job_over_alone": round(loaded_s / alone_s, 3),
        "load_cpu_s": round(load.cpu_s, 1),
        "cores": os.cpu_count(),
    }
    print(json.dumps(found, indent=2))
    for error in load.errors[:10]:
        print(error, file=sys.stderr)
    if loaded_s < wanted.seconds:
        print(f"the job ended before {wanted.seconds:g} s were over: make it larger", file=sys.stderr)


if __name__ == "__main__":
    main()
