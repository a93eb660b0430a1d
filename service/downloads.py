"""A job as one download: all its products and the QGIS project that shows them, or that project alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from email.utils import format_datetime
from functools import partial

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from service.context import Context
from service.errors import ResultNotReady
from service.files import CACHED
from service.links import href
from service.problems import precondition_failed
from service.projects import MEDIA_TYPE, NAME, project_of
from service.ranges import precondition
from service.zipping import Entry, zip_chunks, zip_size
from workers.records import JobRecord, ProductRecord

ZIP = "application/zip"


def results_zip(request: Request, here: Context, job: JobRecord, products: Sequence[ProductRecord]) -> Response:
    """Answer a GET or HEAD with a zip of a job's products, as it is read from the store.

    Raises:
        NotStored: a product is gone; known before anything is sent.
    """
    project = project_of(here.store, job, products, lambda name: f"./{name}")
    for product in products:
        here.store.stat(product.key)
    entries = [
        Entry(NAME, len(project), partial(_whole, project)),
        *(Entry(p.name, p.size, partial(here.store.read, p.key)) for p in products),
    ]
    parts = [hashlib.sha256(project).hexdigest(), *(f"{p.name} {p.size} {p.sha256}" for p in products)]
    headers = {**_headers(job, "\n".join(parts).encode(), f"{job.id}.zip"), "Accept-Ranges": "none"}
    status = precondition(request.headers, headers["ETag"], _ended(job).timestamp())
    if status is not None:
        return _conditional(request, status, headers)
    headers["Content-Length"] = str(zip_size(entries))
    if request.method == "HEAD":
        return Response(headers=headers, media_type=ZIP)
    return StreamingResponse(zip_chunks(entries, _ended(job)), headers=headers, media_type=ZIP)


def qgis_project(request: Request, here: Context, job: JobRecord, products: Sequence[ProductRecord]) -> Response:
    """Answer a GET or HEAD with a QGIS project whose layers are read over HTTP; no key is in it."""
    base = href(request, f"/masks/{job.id}")
    project = project_of(here.store, job, products, lambda name: f"/vsicurl/{base}/{name}")
    headers = _headers(job, project, NAME)
    status = precondition(request.headers, headers["ETag"], _ended(job).timestamp())
    if status is not None:
        return _conditional(request, status, headers)
    return Response(project, headers=headers, media_type=MEDIA_TYPE)


def _headers(job: JobRecord, content: bytes, filename: str) -> dict[str, str]:
    return {
        "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
        "Last-Modified": format_datetime(_ended(job), usegmt=True),
        "Cache-Control": CACHED,
        "Content-Disposition": f'attachment; filename="{filename}"',
    }


def _conditional(request: Request, status: int, headers: dict[str, str]) -> Response:
    return Response(status_code=304, headers=headers) if status == 304 else precondition_failed(request)


def _whole(content: bytes) -> Iterator[bytes]:
    yield content


def _ended(job: JobRecord) -> datetime:
    if job.finished is None:
        raise ResultNotReady(f"job {job.id} has no time of its end yet")
    return job.finished
