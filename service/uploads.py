"""Reading an upload: a form or a raw body, streamed to files in a scratch folder, never whole in memory."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import BinaryIO

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.errors import BodyMalformed, BodyTooLarge, InputsRefused, MediaTypeRefused

FILE_ROLES = {"image": "image", "bundle": "image", "udm2": "udm2", "metadata": "metadata"}
"""Field of the form -> role of the file."""

TEXT_FIELDS = ("bands", "scale", "acquired")

RAW_TYPES = {
    "image/tiff": "image.tif",
    "image/geotiff": "image.tif",
    "image/x-geotiff": "image.tif",
    "application/zip": "bundle.zip",
    "application/x-zip-compressed": "bundle.zip",
    "application/octet-stream": "image.tif",
}
"""Media type of a raw body -> its file name where the request tells none."""

_FIELD_BYTES = 4096
_BATCH_BYTES = 1 << 20


def safe_filename(name: str, fallback: str) -> str:
    """Return the last part of a client's path, without characters that a file name or a log should not hold."""
    last = re.split(r"[/\\]", name)[-1]
    clean = re.sub(r"[^\w.\- ()+@]", "_", last, flags=re.ASCII).strip(" .")
    return clean[-150:] or fallback


async def read_upload(request: Request, folder: Path, max_bytes: int) -> Upload:
    """Stream a request's body into files.

    Args:
        request: a multipart form (files image or bundle, udm2, metadata; fields bands, scale, acquired), or a raw
            GeoTIFF or zip whose name comes by Content-Disposition or `?name=`, and options by the query.
        folder: existing, empty; the files are written here.
        max_bytes: largest body.

    Raises:
        MediaTypeRefused: the body is neither.
        BodyTooLarge: it is larger than `max_bytes`.
        BodyMalformed: the form cannot be parsed.
        InputsRefused: a field is unknown, given twice, or the image is missing.
    """
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > max_bytes:
        raise BodyTooLarge(_too_large(max_bytes))
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    media_type = kind.decode("latin-1").lower()
    batches = _batches(request, max_bytes)
    if media_type == "multipart/form-data":
        boundary = options.get(b"boundary")
        if not boundary:
            raise BodyMalformed("a multipart body needs a boundary in its Content-Type")
        upload = await _read_form(batches, boundary, folder)
    elif media_type in RAW_TYPES:
        upload = await _read_raw(request, batches, folder, RAW_TYPES[media_type])
    else:
        raise MediaTypeRefused(
            f"expected multipart/form-data, image/tiff or application/zip; got {media_type or 'no Content-Type'!r}"
        )
    if "image" not in upload.files:
        raise InputsRefused("an upload needs a file in the field `image` (a GeoTIFF) or `bundle` (a Planet zip)")
    return upload


def _too_large(max_bytes: int) -> str:
    return f"an upload may have at most {max_bytes} bytes"


async def _batches(request: Request, max_bytes: int) -> AsyncIterator[bytes]:
    """Yield the body in pieces of about a megabyte, so that a hop to a thread is worth it."""
    total, batch = 0, bytearray()
    async for chunk in request.stream():
        total += len(chunk)
        if total > max_bytes:
            raise BodyTooLarge(_too_large(max_bytes))
        batch += chunk
        if len(batch) >= _BATCH_BYTES:
            yield bytes(batch)
            batch.clear()
    if batch:
        yield bytes(batch)


async def _read_raw(request: Request, batches: AsyncIterator[bytes], folder: Path, fallback: str) -> Upload:
    header = Message()
    header["Content-Disposition"] = request.headers.get("content-disposition", "")
    name = request.query_params.get("name") or header.get_filename() or fallback
    target = _target(folder, "image", safe_filename(name, fallback))
    with target.open("xb") as file:
        async for batch in batches:
            await run_in_threadpool(file.write, batch)
    texts = {name: request.query_params[name] for name in TEXT_FIELDS if name in request.query_params}
    return Upload({"image": target}, texts)


def _target(folder: Path, role: str, filename: str) -> Path:
    (folder / role).mkdir()
    return folder / role / filename


async def _read_form(batches: AsyncIterator[bytes], boundary: bytes, folder: Path) -> Upload:
    form = _Form(folder)
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": form.part_begins,
                "on_header_field": form.header_name,
                "on_header_value": form.header_value,
                "on_header_end": form.header_ends,
                "on_headers_finished": form.headers_end,
                "on_part_data": form.data,
                "on_part_end": form.part_ends,
                "on_end": form.ends,
            },
        )
        async for batch in batches:
            await run_in_threadpool(parser.write, batch)
        parser.finalize()
    except FormParserError as err:
        raise BodyMalformed(f"the multipart body cannot be parsed: {err}") from err
    finally:
        form.close()
    if not form.ended:
        raise BodyMalformed("the multipart body ends before its closing boundary")
    return Upload(form.files, form.texts)


@dataclass(frozen=True)
class Upload:
    """What a request carried: files by role (image, udm2, metadata), and the texts bands, scale, acquired."""

    files: dict[str, Path]
    texts: dict[str, str]


@dataclass
class _Form:
    """Callbacks of the multipart parser: files go to disk, texts to a dictionary."""

    folder: Path
    files: dict[str, Path] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    ended: bool = False
    _file: BinaryIO | None = None
    _name: str = ""
    _text: bytearray = field(default_factory=bytearray)
    _header: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _disposition: bytes = b""

    def part_begins(self) -> None:
        self._disposition = b""

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_ends(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def headers_end(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if self._name in TEXT_FIELDS:
            if self._name in self.texts:
                raise InputsRefused(f"the field {self._name!r} is given twice")
            self._text.clear()
            return
        role = FILE_ROLES.get(self._name)
        if role is None:
            known = ", ".join((*FILE_ROLES, *TEXT_FIELDS))
            raise InputsRefused(f"unknown field {self._name[:50]!r}; there are: {known}")
        if role in self.files:
            raise InputsRefused(f"the upload carries two files as {role}; send one scene at a time")
        fallback = {"image": "image.tif", "udm2": "udm2.tif", "metadata": "metadata"}[role]
        self.files[role] = _target(
            self.folder, role, safe_filename(options.get(b"filename", b"").decode("utf-8", "replace"), fallback)
        )
        self._file = self.files[role].open("xb")

    def data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(data[start:end])
        elif len(self._text) + end - start > _FIELD_BYTES:
            raise InputsRefused(f"the field {self._name!r} is longer than {_FIELD_BYTES} bytes")
        else:
            self._text += data[start:end]

    def part_ends(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        else:
            self.texts[self._name] = self._text.decode("utf-8", "replace").strip()

    def ends(self) -> None:
        self.ended = True

    def close(self) -> None:
        """Close a file that was being written when the body broke off."""
        if self._file is not None:
            self._file.close()
