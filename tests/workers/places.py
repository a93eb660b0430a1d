"""A worker's place without a worker process, and small uploads to work on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import rasterio
from numpy.typing import NDArray

from geo.lattice import crs_of
from tests.geo.scenes import BANDS, landscape, lonlat_box, utm_grid
from workers.app import celery_app
from workers.database import close_database, open_database
from workers.dispatch import queued
from workers.jobs import create_job
from workers.records import JobRecord, Record, SceneRecord
from workers.scenes import receive_scene
from workers.scratch import own_scratch
from workers.settings import Settings
from workers.store import open_store
from workers.workplace import Workplace

HEIGHT, WIDTH = 300, 340
GRID = utm_grid(HEIGHT, WIDTH)
FIRST = datetime(2020, 8, 1, 10, 30, tzinfo=UTC)
DATES = 3
Found = TypeVar("Found", bound=Record)


@contextmanager
def workplace(settings: Settings) -> Iterator[Workplace]:
    """Open a place as `workers.main.run_worker` does."""
    sessions, celery = open_database(settings.database), celery_app(settings)
    try:
        with own_scratch(settings.scratch) as scratch:
            yield Workplace(settings, sessions, open_store(settings), celery, scratch)
    finally:
        close_database(sessions)
        celery.close()


def write_image(path: Path, values: NDArray[np.uint16]) -> Path:
    """Write a GeoTIFF as a stranger would send it: bands described, no mask."""
    with rasterio.open(
        path, "w", driver="GTiff", height=HEIGHT, width=WIDTH, count=len(values), dtype="uint16",
        crs=crs_of(GRID).to_wkt(), transform=GRID.affine, nodata=0,
    ) as dataset:  # fmt: skip
        dataset.write(values)
        for number, role in enumerate(BANDS, start=1):
            dataset.set_band_description(number, role)
    return path


def upload(place: Workplace, folder: Path, number: int, **options: Any) -> SceneRecord:
    """Send one date of a little series, in which a square changes for good at the second date."""
    values = landscape(HEIGHT, WIDTH, seed=5)
    if number > 0:
        values[3, 100:220, 80:260] //= 4
    path = write_image(folder / f"image{number}.tif", values)
    when = (FIRST + timedelta(days=10 * number)).isoformat()
    with place.sessions() as session:
        scene, _ = receive_scene(
            session, place.store, "", {"image": path}, {"acquired": when, "scale": 1e-4, **options}
        )
    path.unlink()
    return scene


def ask(place: Workplace, **inputs: Any) -> JobRecord:
    """Send a job over most of the series' area."""
    area = lonlat_box(GRID, 20, 10, 290, 330)
    with place.sessions() as session:
        return create_job(session, "", {"model": "burned-area", "aoi": area, **inputs})


def plan_of(place: Workplace, job_id: str) -> dict[str, Any]:
    """Return a job's plan."""
    with place.sessions() as session:
        return session.get_one(JobRecord, job_id).plan or {}


def again(place: Workplace, record: type[Found], *key: str | int) -> Found:
    """Return a record as the database has it now."""
    with place.sessions() as session:
        return session.get_one(record, key if len(key) > 1 else key[0])


def messages(place: Workplace) -> dict[str, int]:
    """Return how many messages wait in each queue."""
    return {queue: queued(place.celery, queue) for queue in ("io", "gpu")}
