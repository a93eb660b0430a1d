"""Reading an upload: a form or a raw body, streamed to files in a scratch folder, never whole in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from python_multipart.multipart import parse_options_header

from service.bodies import HashedFile, batches, check_length, media_type_of
from service.errors import BodyMalformed, InputsRefused, MediaTypeRefused
from service.filenames import disposition_filename, safe_filename
from service.forms import read_form
from service.scene_options import OPTIONS

RAW_TYPES = {
    "image/tiff": "image.tif",
    "image/geotiff": "image.tif",
    "image/x-geotiff": "image.tif",
    "application/zip": "bundle.zip",
    "application/x-zip-compressed": "bundle.zip",
    "application/octet-stream": "image.tif",
}
"""Media type of a raw body -> its file name where the request tells none."""


async def read_upload(request: Request, folder: Path, max_bytes: int) -> Upload:
    """Stream a request's body into files.

    Args:
        request: a multipart form (files image or bundle, udm2, metadata; fields bands, scale, acquired), or a raw
            GeoTIFF or zip whose name comes by Content-Disposition or `?name=`, and options by the query.
        folder: existing; the files are written here.
        max_bytes: largest body.

    Raises:
        MediaTypeRefused: the body is neither.
        BodyTooLarge: it is larger than `max_bytes`.
        BodyStalled: it stopped coming.
        BodyMalformed: the form cannot be parsed.
        InputsRefused: a field is unknown, given twice, or the image is missing.
    """
    check_length(request, max_bytes)
    media_type = media_type_of(request)
    body = batches(request, max_bytes)
    if media_type == "multipart/form-data":
        boundary = parse_options_header(request.headers["content-type"])[1].get(b"boundary")
        if not boundary:
            raise BodyMalformed("a multipart body needs a boundary in its Content-Type")
        form = await read_form(body, boundary, folder)
        upload = _upload(form.files, form.texts)
    elif media_type in RAW_TYPES:
        upload = await _read_raw(request, body, folder, RAW_TYPES[media_type])
    else:
        raise MediaTypeRefused(
            f"expected multipart/form-data, image/tiff or application/zip; got {media_type or 'no Content-Type'!r}"
        )
    if "image" not in upload.files:
        raise InputsRefused("an upload needs a file in the field `image` (a GeoTIFF) or `bundle` (a Planet zip)")
    return upload


async def _read_raw(request: Request, body: AsyncIterator[bytes], folder: Path, fallback: str) -> Upload:
    query = request.query_params
    name = query.get("name") or disposition_filename(request.headers.get("content-disposition", ""))
    file = HashedFile(folder / safe_filename(name, fallback))
    try:
        async for batch in body:
            await run_in_threadpool(file.write, batch)
    finally:
        file.close()
    return _upload({"image": file}, {name: query[name] for name in OPTIONS if name in query})


def _upload(files: dict[str, HashedFile], texts: dict[str, str]) -> Upload:
    return Upload(
        {role: file.path for role, file in files.items()}, {role: file.sha256 for role, file in files.items()}, texts
    )


@dataclass(frozen=True)
class Upload:
    """What a request carried.

    Attributes:
        files: role (image, udm2, metadata) -> file.
        sha256: role -> SHA-256 of the file, taken while it was written.
        texts: bands, scale, acquired, as they came.
    """

    files: dict[str, Path]
    sha256: dict[str, str]
    texts: dict[str, str]
