"""Bodies of requests on their way to disk: in batches, within a size, without stalling, hashed while written."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from service.errors import BodyStalled, BodyTooLarge
from service.media import essence

BATCH_BYTES = 1 << 20
STALL_S = 60.0
"""How long a client may send nothing before its request is given up."""


def check_length(request: Request, max_bytes: int) -> None:
    """Refuse a body that says itself that it is too large, before any of it is read.

    Raises:
        BodyTooLarge: by its Content-Length.
    """
    if (declared_length(request) or 0) > max_bytes:
        raise BodyTooLarge(_too_large(max_bytes))


def media_type_of(request: Request) -> str:
    """Return the media type of a request's body, without its parameters, in lower case; "" where it tells none."""
    return essence(request.headers.get("content-type", ""))


@contextmanager
def body_validation() -> Iterator[None]:
    """Tell what does not fit a model as an error of the request's body.

    Raises:
        RequestValidationError: in place of pydantic's own.
    """
    try:
        yield
    except ValidationError as err:
        raise RequestValidationError([{**e, "loc": ("body", *e["loc"])} for e in err.errors()]) from err


async def small_body(request: Request, max_bytes: int, what: str, advice: str = "") -> bytes:
    """Return a body that is to be held in memory; what is too large never is.

    Args:
        request: whose body is read.
        max_bytes: the most that is right.
        what: the body is, for the message.
        advice: how it becomes smaller, for the message.

    Raises:
        BodyTooLarge: more than `max_bytes` came.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise BodyTooLarge(f"{what} may have at most {max_bytes} bytes{advice and f'; {advice}'}")
    return bytes(body)


def declared_length(request: Request) -> int | None:
    """Return how many bytes a body says that it has; None where it does not say."""
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isascii() and declared.isdigit() else None


async def batches(request: Request, max_bytes: int, stall_s: float = STALL_S) -> AsyncIterator[bytes]:
    """Yield the body in pieces of about a megabyte, so that a hop to a thread is worth it.

    What came before the body broke off is yielded, too, before the error is raised.

    Raises:
        BodyTooLarge: more than `max_bytes` came.
        BodyStalled: nothing came for `stall_s` seconds.
        ClientDisconnect: the connection ended before the body did.
    """
    total, batch, stream = 0, bytearray(), aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(stall_s):
                chunk = await anext(stream, b"")
        except (ClientDisconnect, TimeoutError) as err:
            if batch:
                yield bytes(batch)
            if isinstance(err, TimeoutError):
                raise BodyStalled(f"nothing of the body came for {stall_s:g} s; send it again") from err
            raise
        total += len(chunk)
        if total > max_bytes:
            raise BodyTooLarge(_too_large(max_bytes))
        batch += chunk
        if len(batch) >= BATCH_BYTES or (batch and not chunk):
            yield bytes(batch)
            batch.clear()
        if not chunk:
            return


def _too_large(max_bytes: int) -> str:
    return f"an upload may have at most {max_bytes} bytes"


class HashedFile:
    """A new file whose SHA-256 is taken while it is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("xb")
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """SHA-256 of what was written so far."""
        return self._hash.hexdigest()

    def write(self, data: bytes) -> None:
        """Append."""
        self._hash.update(data)
        self._file.write(data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
