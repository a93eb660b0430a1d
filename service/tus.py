"""tus 1.0, as its headers have it: https://tus.io/protocols/resumable-upload."""

from __future__ import annotations

import base64
import binascii
import re

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope, Send

from service.appending import ALGORITHMS, Checksum
from service.bodies import media_type_of
from service.errors import BodyMalformed, InputsRefused, MediaTypeRefused, TusVersionRefused

VERSION = "1.0.0"
EXTENSIONS = ("creation", "creation-with-upload", "termination", "checksum", "expiration")
MEDIA_TYPE = "application/offset+octet-stream"
_METADATA_CHARS = 8000


def check_version(request: Request) -> None:
    """Refuse a client that speaks another version, or none.

    Raises:
        TusVersionRefused: by its Tus-Resumable.
    """
    version = request.headers.get("tus-resumable")
    if version != VERSION:
        raise TusVersionRefused(f"expected the header Tus-Resumable: {VERSION}; got {(version or 'none')[:20]!r}")


def check_media_type(request: Request) -> None:
    """Refuse a piece of another media type than the protocol's.

    Raises:
        MediaTypeRefused: by its Content-Type.
    """
    got = media_type_of(request)
    if got != MEDIA_TYPE:
        raise MediaTypeRefused(f"expected Content-Type: {MEDIA_TYPE}; got {got[:100] or 'none'!r}")


def parse_count(request: Request, name: str) -> int:
    """Return a number of bytes from a header.

    Raises:
        BodyMalformed: it is missing or no such number.
    """
    text = request.headers.get(name, "")
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise BodyMalformed(f"expected the header {name} with a number of bytes; got {text[:30] or 'none'!r}")
    return int(text)


def parse_metadata(header: str) -> dict[str, str]:
    """Read Upload-Metadata: `key base64,key base64`, in which a value may be missing.

    Raises:
        BodyMalformed: it has another form.
        InputsRefused: it is too long.
    """
    if len(header) > _METADATA_CHARS:
        raise InputsRefused(f"Upload-Metadata may have at most {_METADATA_CHARS} characters; got {len(header)}")
    found: dict[str, str] = {}
    for pair in header.split(",") if header.strip() else ():
        key, _, value = pair.strip().partition(" ")
        try:
            text = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, ValueError) as err:
            raise BodyMalformed(
                f"expected Upload-Metadata as key and base64; cannot read the value of {key!r}"
            ) from err
        if not key or key in found:
            raise BodyMalformed(f"expected each key of Upload-Metadata once, and none empty; got {key!r}")
        found[key] = text
    return found


def parse_checksum(request: Request) -> Checksum | None:
    """Read Upload-Checksum: `sha1 base64` or `sha256 base64`; None if there is none.

    Raises:
        BodyMalformed: another algorithm, or no base64.
    """
    header = request.headers.get("upload-checksum")
    if header is None:
        return None
    algorithm, _, value = header.partition(" ")
    if algorithm not in ALGORITHMS:
        raise BodyMalformed(f"expected Upload-Checksum by {' or '.join(ALGORITHMS)}; got {algorithm[:20]!r}")
    try:
        return Checksum(algorithm, base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError) as err:
        raise BodyMalformed("expected Upload-Checksum as algorithm and base64; cannot read the base64") from err


class TusRoute(APIRoute):
    """A route whose answers all tell the protocol's version, those to errors included."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; add to the head of it."""

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Tus-Resumable"] = VERSION
            await send(message)

        await super().handle(scope, receive, add)
