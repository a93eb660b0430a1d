"""Sending what is stored: whole or in part, streaming, so that /vsicurl/ and QGIS read single tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from typing import Any

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from service.problems import OWN, precondition_failed, problem
from service.ranges import Unsatisfiable, parse_range, precondition, range_holds
from workers.records import ProductRecord
from workers.store import Store

CACHED = "private, max-age=3600"
"""How long a client may use what it has without asking: nothing changes here, but it may be removed."""

COG = "image/tiff; application=geotiff; profile=cloud-optimized"


PARTS: dict[int | str, dict[str, Any]] = {
    206: {"description": "The range that was asked for"},
    304: {"description": "The client has these very bytes"},
}
"""What the OpenAPI document says of a file's answers, beside the whole file."""


def stored_product(request: Request, store: Store, product: ProductRecord) -> Response:
    """Answer a GET or HEAD with a job's product; see `stored_file`."""
    return stored_file(request, store, product.key, media_type=product.media_type, etag=f'"{product.sha256}"')


def stored_file(request: Request, store: Store, key: str, *, media_type: str, etag: str) -> Response:
    """Answer a GET or HEAD with what is stored.

    Args:
        request: its method, Range and conditional headers are honoured.
        store: where the file lies.
        key: in the store.
        media_type: of the file.
        etag: names the very bytes; with its quotes.

    Raises:
        NotStored: the store holds nothing under that key.
    """
    stat = store.stat(key)
    disposition = f'inline; filename="{key.rsplit("/", 1)[-1]}"'
    file = File(stat.size, stat.modified, etag, media_type, disposition, partial(store.read, key))
    return file_response(request, file)


def file_response(request: Request, file: File) -> Response:
    """Answer a GET or HEAD with a file, or with the range of it that was asked for."""
    headers = {
        "ETag": file.etag,
        "Last-Modified": formatdate(file.modified, usegmt=True),
        "Accept-Ranges": "bytes",
        "Cache-Control": CACHED,
    }
    status = precondition(request.headers, file.etag, file.modified)
    if status == 304:
        return Response(status_code=304, headers=headers)
    if status == 412:
        return precondition_failed(request)
    start, end, status = 0, file.size, 200
    asked = request.headers.get("range") if request.method == "GET" else None
    if asked is not None and range_holds(request.headers, file.etag, file.modified):
        found = parse_range(asked, file.size)
        if isinstance(found, Unsatisfiable):
            beyond = {"Content-Range": f"bytes */{file.size}", "Accept-Ranges": "bytes"}
            detail = f"the file has {file.size} bytes; got {asked[:100]!r}"
            return problem(request, (416, OWN + "range", "Range Not Satisfiable"), detail, beyond)
        if found is not None:
            start, end = found
            status = 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
    headers["Content-Length"] = str(end - start)
    headers["Content-Disposition"] = file.disposition
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=file.media_type)
    return StreamingResponse(file.read(start, end - start), status, headers, file.media_type)


@dataclass(frozen=True)
class File:
    """What can be sent whole or in part.

    Attributes:
        size: in bytes.
        modified: when its bytes were made, in epoch seconds.
        etag: names the very bytes; with its quotes.
        media_type: of the whole.
        disposition: value of Content-Disposition.
        read: yields the bytes from a start on, of a length.
    """

    size: int
    modified: float
    etag: str
    media_type: str
    disposition: str
    read: Callable[[int, int], Iterable[bytes]]
