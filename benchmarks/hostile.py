"""Hundreds of files that are broken or mean harm, read as a worker reads an upload; what became of them is counted.

    python -m benchmarks.hostile [--every N] [--timeout-s 60] [--memory-mb 2048]

Truncations of a good GeoTIFF and of a good zip at every percent, a hundred of each with flipped bits, headers that
promise what is not there, VRTs that name other files, zips that want out of their folder or unpack to gigabytes; and
the 42 files of badtiff where they are ($CHRONOSEG_DATA, else ../shared/data). Each is read in a child process with
limits of time and memory, as in a job, and must end as a scene, or refused with a reason; nothing else may be left, and
no reader may die of it. --every N takes each Nth only, and always the two that are whole.
"""

from __future__ import annotations

import argparse
import io
import os
import stat
import struct
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

from geo.errors import SceneRejected
from geo.ingest import IngestOptions
from geo.simulator.bundles import write_bundles
from geo.simulator.series import simulate
from geo.simulator.spec import SeriesSpec
from workers.errors import ReadingDied
from workers.reading import read_upload

FLIPPED = 100
SCENE_FILES = {"reflectance.tif", "clear.tif", "item.json"}
OUTWARD = ("../../out.tif", "/out.tif", "a/../../out.tif", "..\\out.tif", "\0.tif", "C:\\out.tif", "x" * 9000 + ".tif")
WHOLE = "whole"


@dataclass(frozen=True)
class Hostile:
    """A file: what is wrong with it, its name, its bytes."""

    kind: str
    name: str
    content: bytes


def corpus(folder: Path) -> Iterator[Hostile]:
    """Yield all files; `folder` is for what they are made from."""
    image, bundle = _good_image(folder / "good.tif"), _good_zip(folder)
    for name, good in (("scene.tif", image), ("order.zip", bundle)):
        yield Hostile(WHOLE, name, good)
        for percent in range(100):
            yield Hostile("truncated", name, good[: len(good) * percent // 100])
        for seed in range(FLIPPED):
            yield Hostile("bits flipped", name, _flipped(good, seed))
    for size in ((2**31, 2**31, 4), (1, 2**32 - 1, 4), (60_000, 60_000, 4), (512, 512, 65_535), (0, 9, 1)):
        yield Hostile("header promises too much", "scene.tif", _header(*size))
    for target in ("/etc/passwd", "/vsicurl/http://127.0.0.1:9/x.tif", "../../secret.tif", "/vsizip/x.zip/y.tif"):
        text = _vrt(target)
        yield Hostile("VRT", "scene.tif", text)
        yield Hostile("VRT", "scene.vrt", text)
        yield Hostile("VRT in a zip", "order.zip", _zip({"20200801_100000_1234_3B_AnalyticMS_SR.tif": text}))
    for name in OUTWARD:
        yield Hostile("zip that wants out", "order.zip", _zip({name: image}))
    yield Hostile("zip with a link", "order.zip", _linked())
    yield Hostile("zip bomb", "order.zip", _zip({f"{n}.tif": bytes(2**27) for n in range(40)}, zipfile.ZIP_DEFLATED))
    yield Hostile("zip in a zip", "order.zip", _zip({"order.zip": bundle}))
    yield Hostile("zip of many files", "order.zip", _zip({f"{n}.tif": b"" for n in range(5000)}))
    for number, content in enumerate((b"", b"\0" * 10_000, b"II*\0", b"PK\3\4", b"<html>", b"%PDF-1.7")):
        yield Hostile("no image at all", f"{number}.tif", content)
    real = Path(os.environ.get("CHRONOSEG_DATA", "../shared/data")) / "badtiff"
    for path in sorted(real.glob("*")):
        yield Hostile("badtiff", path.name, path.read_bytes())


def read(hostile: Hostile, folder: Path, timeout_s: float, memory_mb: int) -> str:
    """Read a file as a worker does; return what became of it: `scene`, `refused`, or what must not be."""
    source, out = folder / "in" / hostile.name, folder / "out"
    source.parent.mkdir(parents=True)
    out.mkdir()
    source.write_bytes(hostile.content)
    before, started = {path.name for path in folder.parent.iterdir()}, time.monotonic()
    ended = _ended(source, out, timeout_s, memory_mb)
    beside, inside = {path.name for path in folder.parent.iterdir()}, {path.name for path in source.parent.iterdir()}
    if beside != before or inside != {source.name} or (ended == "refused" and (out / "scene").exists()):
        return f"{ended}, and something was left"
    if ended == "refused" and hostile.kind == WHOLE:
        return "refused, though nothing is wrong with it"
    return ended if time.monotonic() - started < timeout_s + 10 else f"{ended}, after too long a time"


def _ended(source: Path, out: Path, timeout_s: float, memory_mb: int) -> str:
    options = IngestOptions("scene", acquired=datetime(2020, 8, 1, tzinfo=UTC), max_px=100_000_000)
    try:
        parts = read_upload(source, out, options, timeout_s=timeout_s, memory_mb=memory_mb, check=lambda: None)
    except SceneRejected as err:
        return "refused" if str(err) and "Traceback" not in str(err) else f"refused without a reason: {err}"
    except ReadingDied as err:
        return f"its reader died: {err}"
    except RuntimeError as err:
        return f"an error of ours: {str(err).splitlines()[-1]}"
    held = {path.name for path in (out / "scene").iterdir()} if not parts else SCENE_FILES
    return "scene" if held == SCENE_FILES else f"a scene of {sorted(held)}"


def count(every: int, timeout_s: float, memory_mb: int) -> tuple[dict[str, Counter[str]], list[str]]:
    """Read every Nth file; return how each kind ended, and what must not be."""
    table, wrong = dict[str, Counter[str]](), list[str]()
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "made").mkdir()
        for number, hostile in enumerate(corpus(Path(scratch) / "made")):
            if number % every and hostile.kind != WHOLE:
                continue
            with tempfile.TemporaryDirectory() as place:
                ended = read(hostile, Path(place) / "work", timeout_s, memory_mb)
            table.setdefault(hostile.kind, Counter())[ended if ended in ("scene", "refused") else "wrong"] += 1
            if ended not in ("scene", "refused"):
                wrong.append(f"{hostile.kind}, {hostile.name[:60]} (number {number}): {ended}")
    return table, wrong


def main() -> None:
    """Count and print; fail if anything was not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--timeout-s", type=float, default=60)
    parser.add_argument("--memory-mb", type=int, default=2048)
    wanted = parser.parse_args()
    table, wrong = count(wanted.every, wanted.timeout_s, wanted.memory_mb)
    print(f"{'':28}{'files':>8}{'refused':>10}{'scenes':>8}{'wrong':>8}")
    for kind, ended in table.items():
        print(f"{kind:28}{ended.total():8}{ended['refused']:10}{ended['scene']:8}{ended['wrong']:8}")
    whole = sum(table.values(), Counter[str]())
    print(f"{'all':28}{whole.total():8}{whole['refused']:10}{whole['scene']:8}{whole['wrong']:8}")
    if wrong:
        raise SystemExit("\n".join(wrong))


def _good_image(path: Path) -> bytes:
    values = np.random.default_rng(0).integers(300, 3000, (4, 96, 80), np.uint16)
    with rasterio.open(
        path, "w", driver="GTiff", width=80, height=96, count=4, dtype="uint16", tiled=True, blockxsize=32,
        blockysize=32, compress="deflate", crs="EPSG:32720", transform=Affine(3, 0, 600_000, 0, -3, 8_360_000),
    ) as dataset:  # fmt: skip
        dataset.write(values)
        for band, role in enumerate(("blue", "green", "red", "nir"), start=1):
            dataset.set_band_description(band, role)
    return path.read_bytes()


def _good_zip(folder: Path) -> bytes:
    series = simulate(SeriesSpec("burned-area", 48, 64, dates=1), 1)
    write_bundles(series, folder / "bundle", scenes_per_date=1)
    files = sorted(path for path in (folder / "bundle").rglob("*") if path.is_file())
    return _zip({path.name: path.read_bytes() for path in files})


def _flipped(good: bytes, seed: int) -> bytes:
    """Flip a few bits; half of the time where headers are, at the beginning and, of a zip, at the end."""
    rng, content = np.random.default_rng(seed), bytearray(good)
    for _ in range(int(rng.integers(1, 12))):
        at = int(rng.integers(0, min(len(good), 1000) if seed % 2 else len(good)))
        content[-1 - at if seed % 4 == 1 else at] ^= 1 << int(rng.integers(0, 8))
    return bytes(content)


def _header(width: int, height: int, bands: int) -> bytes:
    """A TIFF that declares any size and holds no pixels."""
    size = ((256, 4, width), (257, 4, height), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 180))
    entries = (*size, (277, 3, bands), (278, 4, height), (279, 4, 16))
    directory = struct.pack("<H", 9) + b"".join(
        struct.pack("<HHII", tag, kind, 1, min(value, 2**32 - 1)) for tag, kind, value in entries
    )
    return (b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", 0)).ljust(200, b"\0")


def _vrt(target: str) -> bytes:
    source = f'<SimpleSource><SourceFilename relativeToVRT="0">{target}</SourceFilename></SimpleSource>'
    band = f'<VRTRasterBand dataType="UInt16" band="1">{source}</VRTRasterBand>'
    return f'<VRTDataset rasterXSize="64" rasterYSize="64">{band}</VRTDataset>'.encode()


def _zip(files: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", how) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, how)
    return held.getvalue()


def _linked() -> bytes:
    held, link = io.BytesIO(), zipfile.ZipInfo("20200801_100000_1234_3B_AnalyticMS_SR.tif")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    return held.getvalue()


if __name__ == "__main__":
    main()
