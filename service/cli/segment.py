"""The command `chronoseg segment`: the whole pipeline on files, without a server."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.defaults import MIN_AREA_HA, SIMPLIFY_PX

if TYPE_CHECKING:
    from workers.local import Progress, SceneFile


class DateByName(StrEnum):
    """What scenes are one date."""

    DAY = "day"
    PASS = "pass"  # noqa: S105 - a satellite's
    SATELLITE = "satellite"


def segment(
    scenes: Annotated[
        list[str],
        typer.Argument(
            metavar="SCENE[@DATE]...",
            help="GeoTIFFs, or PlanetScope bundles as zips or folders; @2020-08-01 or @2020-08-01T10:30 gives the date "
            "where the file does not tell it.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the products.")],
    model: Annotated[str, typer.Option(help="Name, name@version, or a checkpoint's folder.")],
    aoi: Annotated[
        Path | None, typer.Option(help="Area of interest, GeoJSON; without it all that scenes cover.")
    ] = None,
    bands: Annotated[str | None, typer.Option(help="Roles of bands: blue=1,green=2,red=3,nir=4.")] = None,
    scale: Annotated[float | None, typer.Option(help="Reflectance = number x scale, such as 0.0001.")] = None,
    start: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day, UTC.")] = None,
    end: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day, UTC.")] = None,
    date_by: Annotated[DateByName, typer.Option(help="Which scenes are one date.")] = DateByName.DAY,
    min_area_ha: Annotated[float, typer.Option(min=0, help="Smallest polygon in hectares; 0: all.")] = MIN_AREA_HA,
    simplify_px: Annotated[
        float, typer.Option(min=0, help="Simplify polygons by this many pixels; 0: the pixels' edges.")
    ] = SIMPLIFY_PX,
    tta: Annotated[
        bool,
        typer.Option("--tta", help="Test-time augmentation: the mean over four mirror images, four times the time."),
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads of the network; 0: all cores.")] = 0,
    block_px: Annotated[int, typer.Option(min=64, help="Largest edge of a block in pixels.")] = 1024,
) -> None:
    """Segment scenes from files into masks, change dates, polygons and areas; no server is needed."""
    from geo.bands import parse_bands
    from models.registry import locate_model
    from workers.local import segment_locally
    from workers.planning import Request
    from workers.settings import Settings

    _, folder = locate_model(model, Settings().model_folders)
    files = scene_files(scenes, parse_bands(bands) if bands else None, scale)
    request = Request(
        aoi=_read_aoi(aoi) if aoi else None,
        start=_day(start),
        end=_day(end),
        date_by=date_by.value,
        min_area_ha=min_area_ha,
        simplify_px=simplify_px,
        tta=tta,
    )
    with _terminated_like_interrupted(), _progress_bar() as progress:
        products = segment_locally(
            files, request, folder, out, block_px=block_px, device=device, threads=threads, progress=progress
        )
    size_mb = sum(product.size for product in products) / 1e6
    print(f"{len(products)} files, {size_mb:.1f} MB, in {out}")


def scene_files(scenes: Sequence[str], bands: dict[str, int] | None, scale: float | None) -> list[SceneFile]:
    """Read the arguments SCENE[@DATE] and give each scene a distinct id.

    Raises:
        FileNotFoundError: there is no such file.
        SceneRejected: what stands after the @ is not a date.
    """
    from geo.ingest import IngestOptions
    from workers.local import SceneFile

    files: list[SceneFile] = []
    used: set[str] = set()
    for text in scenes:
        path, acquired = split_date(text)
        if not path.exists():
            raise FileNotFoundError(f"no such file: {path}")
        name = path.name.removesuffix(path.suffix) if path.is_file() else path.name
        scene_id, number = name, 1
        while scene_id in used:
            number += 1
            scene_id = f"{name}-{number}"
        used.add(scene_id)
        files.append(SceneFile(path, IngestOptions(scene_id, acquired=acquired, bands=bands, scale=scale)))
    return files


def split_date(text: str) -> tuple[Path, datetime | None]:
    """Split SCENE@DATE; a file whose own name holds an @ is taken as it is.

    Raises:
        SceneRejected: what stands after the @ is not a date.
    """
    from geo.errors import SceneRejected

    path, at, stamp = text.rpartition("@")
    if not at or Path(text).exists():
        return Path(text), None
    try:
        acquired = datetime.fromisoformat(stamp)
    except ValueError:
        raise SceneRejected(f"expected a date as 2020-08-01 or 2020-08-01T10:30 after the @; got {stamp!r}") from None
    return Path(path), acquired if acquired.tzinfo else acquired.replace(tzinfo=UTC)


def _read_aoi(path: Path) -> dict[str, Any]:
    from geo.errors import AreaRefused

    try:
        value = json.loads(path.read_bytes())
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as err:
        raise AreaRefused(f"{path} is not GeoJSON: {err}") from err
    if not isinstance(value, dict):
        raise AreaRefused(f"{path} is not GeoJSON: expected an object; got {type(value).__name__}")
    return value


def _day(time: datetime | None) -> date | None:
    return time.date() if time else None


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Let SIGTERM unwind the stack, so that work in progress is cleared away as on Ctrl-C."""

    def stop(number: int, frame: object) -> None:  # noqa: ARG001 - the shape of a signal handler
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _progress_bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description:>10}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%")
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bar:
        stages: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = bar.add_task(stage)
            bar.update(stages[stage], completed=done, total=total)

        yield show
        for task in stages.values():
            bar.update(task, completed=bar.tasks[task].total)
