"""Uploads: the API process's peak resident memory, and the bytes it writes, over the size of what is sent.

Each case has an API process of its own, on SQLite and a local store; nothing reads the scenes. The peak is the kernel's
(VmHWM), the bytes written are those of its `write` calls (wchar): 1.0 of the size where nothing is spooled twice.

    python -m benchmarks.uploads [--sizes 64,512,2048]
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

FLAT = 1.2
WAYS = ("raw", "multipart", "tus")
_MB = 1_000_000
_NO_BROKER = "redis://127.0.0.1:1/0"
_BOUNDARY = "chronoseg-benchmark"
_HEAD = (
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="a.tif"\r\n'
    "Content-Type: image/tiff\r\n\r\n"
).encode()
_TAIL = f"\r\n--{_BOUNDARY}--\r\n".encode()


@contextmanager
def api(folder: Path) -> Iterator[tuple[int, str]]:
    """Run an API process; yields its process id and address."""
    from service.claim import free_port

    port = free_port()
    settings = {"CHRONOSEG_DATA_DIR": str(folder), "CHRONOSEG_BROKER_URL": _NO_BROKER}
    command = [sys.executable, "-m", "service.cli.main", "api", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **settings}, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        while not _answers(address):
            if process.poll() is not None:
                sys.exit(f"the API did not start: {(folder / 'log').read_text()}")
            time.sleep(0.1)
        yield process.pid, address
    finally:
        process.terminate()
        process.wait(30)


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/models", trust_env=False).is_success
    except httpx.TransportError:
        return False


def send(address: str, way: str, size: int) -> None:
    """Upload a scene of `size` bytes, none of them held here, either."""
    if way == "raw":
        answer = _post(f"{address}/scenes", {"Content-Type": "image/tiff"}, b"", size, b"")
    elif way == "multipart":
        kind = f"multipart/form-data; boundary={_BOUNDARY}"
        answer = _post(f"{address}/scenes", {"Content-Type": kind}, _HEAD, size, _TAIL)
    else:
        headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(size)}
        headers["Content-Type"] = "application/offset+octet-stream"
        answer = _post(f"{address}/uploads", headers, b"", size, b"")
    answer.raise_for_status()


def _post(address: str, headers: dict[str, str], head: bytes, size: int, tail: bytes) -> httpx.Response:
    def body() -> Iterator[bytes]:
        yield head
        yield from (block[: size - start] for start in range(0, size, len(block)))
        yield tail

    block = os.urandom(_MB)
    length = {"Content-Length": str(len(head) + size + len(tail))}
    return httpx.post(address, headers={**headers, **length}, content=body(), timeout=600, trust_env=False)


def measure(way: str, size_mb: int) -> tuple[float, float, float]:
    """Return the peak in MB, the bytes written over the size, and the seconds."""
    with tempfile.TemporaryDirectory(prefix="chronoseg-bench-") as folder, api(Path(folder)) as (process, address):
        start = time.perf_counter()
        send(address, way, size_mb * _MB)
        seconds = time.perf_counter() - start
        peak_kb = _number(Path(f"/proc/{process}/status").read_text(), "VmHWM")
        written = _number(Path(f"/proc/{process}/io").read_text(), "wchar")
    return peak_kb / 1024, written / (size_mb * _MB), seconds


def _number(text: str, name: str) -> int:
    found = re.search(rf"^{name}:\s*(\d+)", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"expected {name} in {text!r}")
    return int(found[1])


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="64,512,2048", help="in MB")
    sizes = [int(part) for part in parser.parse_args().sizes.split(",")]
    for way in WAYS:
        peaks: list[float] = []
        for size_mb in sizes:
            peak_mb, written, seconds = measure(way, size_mb)
            peaks.append(peak_mb)
            print(
                f"{way:>9} {size_mb:>6} MB   peak {peak_mb:5.0f} MB, {peak_mb / peaks[0]:4.2f} of the first   "
                f"written {written:4.2f} of the size   {size_mb / seconds:5.0f} MB/s",
                flush=True,
            )
        if max(peaks) > FLAT * min(peaks):
            sys.exit(f"{way}: expected a peak that is flat within {FLAT}; got {peaks}")


if __name__ == "__main__":
    main()
