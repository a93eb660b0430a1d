"""A job as one download: all its products and the QGIS project that shows them, or that project alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import partial

from fastapi import Request, Response

from service.context import Context
from service.errors import ResultNotReady
from service.files import File, file_response
from service.links import href
from service.projects import MEDIA_TYPE, NAME, project_of
from service.zipping import Entry, cut, zip_chunks, zip_size
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
        Entry(NAME, len(project), lambda: [project]),
        *(Entry(p.name, p.size, partial(here.store.read, p.key)) for p in products),
    ]
    named = "\n".join([hashlib.sha256(project).hexdigest(), *(f"{p.name} {p.size} {p.sha256}" for p in products)])
    ended = _ended(job)
    zipped = File(
        size=zip_size(entries),
        modified=ended.timestamp(),
        etag=_tag(named.encode()),
        media_type=ZIP,
        disposition=f'attachment; filename="{job.id}.zip"',
        read=lambda start, length: cut(zip_chunks(entries, ended), start, length),
    )
    return file_response(request, zipped)


def qgis_project(request: Request, here: Context, job: JobRecord, products: Sequence[ProductRecord]) -> Response:
    """Answer a GET or HEAD with a QGIS project whose layers are read over HTTP; no key is in it."""
    base = href(request, f"/masks/{job.id}")
    project = project_of(here.store, job, products, lambda name: f"/vsicurl/{base}/{name}")
    modified, disposition = _ended(job).timestamp(), f'attachment; filename="{NAME}"'
    read = partial(cut, [project])
    return file_response(request, File(len(project), modified, _tag(project), MEDIA_TYPE, disposition, read))


def _tag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()}"'


def _ended(job: JobRecord) -> datetime:
    if job.finished is None:
        raise ResultNotReady(f"job {job.id} has no time of its end yet")
    return job.finished
