"""Multipart forms, whose files go to disk as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from fastapi.concurrency import run_in_threadpool
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.bodies import HashedFile
from service.errors import BodyMalformed, InputsRefused
from service.filenames import safe_filename
from service.scene_options import OPTIONS

FILE_ROLES = {"image": "image", "bundle": "image", "udm2": "udm2", "metadata": "metadata"}
"""Field of the form -> role of the file."""

_FALLBACKS = {"image": "image.tif", "udm2": "udm2.tif", "metadata": "metadata"}
_FIELD_BYTES = 4096


async def read_form(body: AsyncIterator[bytes], boundary: bytes, folder: Path) -> Form:
    """Read a form's files (image or bundle, udm2, metadata) and texts (bands, scale, acquired).

    Args:
        body: the request's body in pieces.
        boundary: of the parts, from Content-Type.
        folder: existing; each file is written to `folder`/{role}/{name}.

    Raises:
        BodyMalformed: the form cannot be parsed.
        InputsRefused: a field is unknown, given twice or too long.
    """
    form = Form(folder)
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
        async for batch in body:
            await run_in_threadpool(parser.write, batch)
        parser.finalize()
    except FormParserError as err:
        raise BodyMalformed(f"the multipart body cannot be parsed: {err}") from err
    finally:
        form.close()
    if not form.ended:
        raise BodyMalformed("the multipart body ends before its closing boundary")
    return form


@dataclass
class Form:
    """Callbacks of the multipart parser: files go to disk, texts to a dictionary."""

    folder: Path
    files: dict[str, HashedFile] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    ended: bool = False
    _file: HashedFile | None = None
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
        if self._name in OPTIONS:
            if self._name in self.texts:
                raise InputsRefused(f"the field {self._name!r} is given twice")
            self._text.clear()
            return
        role = FILE_ROLES.get(self._name)
        if role is None:
            known = ", ".join((*FILE_ROLES, *OPTIONS))
            raise InputsRefused(f"unknown field {self._name[:50]!r}; there are: {known}")
        if role in self.files:
            raise InputsRefused(f"the upload carries two files as {role}; send one scene at a time")
        name = safe_filename(options.get(b"filename", b"").decode("utf-8", "replace"), _FALLBACKS[role])
        (self.folder / role).mkdir()
        self._file = self.files[role] = HashedFile(self.folder / role / name)

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
