"""`chronoseg demo`: two simulated series through the whole service, checked against truth."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from service.children import Child, Program
from service.claim import NOTE
from service.demo.client import Client
from service.demo.series import CHAPTERS, Chapter, Written, write_series
from service.errors import DemoFailed

MARK = ".chronoseg-demo"
_STARTUP_S = 120.0


def run_demo(out: Path, size: int, dates: int, console: Console) -> None:
    """Run the demo.

    Args:
        out: folder for everything; what an earlier demo left there is removed.
        size: edge of the landscapes in pixels.
        dates: number of looks.
        console: to print on.

    Raises:
        DemoFailed: a product is missing or wrong, or the results are not good enough.
    """
    start = monotonic()
    _make_room(out)
    wrong = []
    with running_service(out, console) as url:
        client = Client(url)
        try:
            for chapter in CHAPTERS:
                wrong += _play(chapter, size, dates, out, client, console)
        finally:
            client.close()
    console.print(f"\ndone in {(monotonic() - start) / 60:.1f} minutes")
    for chapter in CHAPTERS:
        console.print(f"  look at {out / chapter.theme / 'contact-sheet.png'}")
    console.print("  or open mask_*.tif and change_date.tif in QGIS: their styles lie beside them")
    if wrong:
        raise DemoFailed("; ".join(wrong))


@contextmanager
def running_service(out: Path, console: Console) -> Iterator[str]:
    """Run `chronoseg serve` on a free port, its data in `out`/service; yields its address."""
    data, log = out.resolve() / "service", out.resolve() / "serve.log"
    command = [sys.executable, "-m", "service.cli.main", "serve", "--port", "0", "--data-dir", str(data)]
    child = Child(Program("chronoseg serve", command, {}, log))
    child.start()
    try:
        url = _address(child, data / NOTE)
        console.print(f"the service runs at {url}, its log is {log}")
        yield url
    finally:
        child.ask_to_stop()
        child.wait(monotonic() + 20)


def _address(child: Child, note: Path) -> str:
    end = monotonic() + _STARTUP_S
    while monotonic() < end:
        if not child.running:
            raise DemoFailed(f"the service does not start:\n{child.last_words()}")
        try:
            url = str(json.loads(note.read_text())["url"])
            if httpx.get(f"{url}/health", timeout=5, trust_env=False).json()["status"] == "ok":
                return url
        except (OSError, ValueError, KeyError, httpx.HTTPError):
            pass
        sleep(0.2)
    raise DemoFailed(f"the service is not well after {_STARTUP_S:g} s: {child.last_words()}")


def _make_room(out: Path) -> None:
    """Empty the folder of an earlier demo; refuse one that is somebody else's."""
    if out.exists() and not out.is_dir():
        raise DemoFailed(f"{out} is a file; choose a folder with --out")
    if out.is_dir() and any(out.iterdir()):
        if not (out / MARK).exists():
            raise DemoFailed(f"{out} holds files that are not from a demo; choose an empty folder with --out")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / MARK).touch()


def _play(chapter: Chapter, size: int, dates: int, out: Path, client: Client, console: Console) -> list[str]:
    """Run one chapter; returns what is wrong with its results."""
    from service.demo.report import report

    console.rule(f"[bold]{chapter.title}")
    folder = out / chapter.theme
    folder.mkdir()
    with console.status(f"simulating {dates} dates of {size} x {size} px, seed {chapter.seed} ..."):
        written = write_series(chapter, size, dates, out / "scenes" / chapter.theme)
    _send(written, client, console)
    inputs = {"aoi": written.aoi, "period": written.period, "model": chapter.theme}
    job = client.start_job(inputs)
    _follow(job, client, console)
    with console.status("downloading ..."):
        names = client.download(job, folder, lambda _: None)
    for date, path in written.truths.items():
        shutil.copyfile(path, folder / f"truth_{date}.tif")
    expected = expected_products(list(written.truths))
    if missing := [name for name in expected if name not in names]:
        raise DemoFailed(f"{chapter.title}: products are missing: {', '.join(missing)}")
    masks = [name for name in names if name.startswith("mask_") and name.endswith(".tif")]
    if strange := [name for name in masks if name not in expected]:
        raise DemoFailed(f"{chapter.title}: masks of dates that the series does not have: {', '.join(strange)}")
    card = client.get(f"/models/{chapter.theme}")
    return report(chapter, written, folder, card, console)


def expected_products(dates: list[str]) -> list[str]:
    """Return the names of the products that a job over these dates must have."""
    rasters = [*(f"mask_{date}" for date in dates), "change_date", "confidence", "last_look"]
    beside = [f"{name}.{suffix}" for name in rasters for suffix in ("tif", "qml")]
    return [*beside, *(f"polygons.{suffix}" for suffix in ("geojson", "gpkg", "fgb", "parquet", "qml")), "areas.csv"]


def _send(written: Written, client: Client, console: Console) -> None:
    sizes = [path.stat().st_size for scene in written.scenes for path in (scene.image, scene.udm2, scene.metadata)]
    with Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn(), console=console
    ) as progress:
        bar = progress.add_task(f"uploading {len(written.scenes)} scenes", total=sum(sizes))
        addresses = [client.upload(scene, lambda count: progress.advance(bar, count)) for scene in written.scenes]
    with _percent(console) as progress:
        reading = progress.add_task("reading them", total=len(addresses))
        client.wait_for_scenes(addresses, lambda: progress.advance(reading))


def _follow(job: str, client: Client, console: Console) -> None:
    info: dict[str, Any] = {}
    with _percent(console) as progress:
        bar = progress.add_task("the job", total=100)
        for info in client.follow(job):
            progress.update(bar, completed=info["progress"], description=f"the job: {info['message']}")
    if info["status"] != "successful":
        raise DemoFailed(f"the job ended as {info['status']}: {info['message']}")


def _percent(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), console=console
    )
