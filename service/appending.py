"""Appending to an upload that comes in pieces. No offset is acknowledged before its bytes are on disk.

The last bytes are acknowledged together with the scene that they complete: an upload that is whole is a scene, whenever
the process is killed.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import BinaryIO

from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from service.context import Context
from service.errors import BodyStalled, ChecksumWrong, OffsetWrong, UploadLocked
from service.parts import parts_of, sync
from service.receiving import take_in
from workers.database import writing
from workers.records import now
from workers.settings import Settings
from workers.uploads import UploadRecord, advance, find_upload, known_uploads, remove_expired, remove_upload

ALGORITHMS = ("sha1", "sha256")
SETTLE_BYTES = 16 << 20
"""How much may be lost where the API is killed."""


def expiry(settings: Settings) -> datetime:
    """Return when an upload expires that nobody sends to from now on."""
    return now() + timedelta(hours=settings.upload_keep_h)


def offset_of(here: Context, record: UploadRecord) -> int:
    """Return how many bytes of an upload are safe, here."""
    if record.scene_id:
        return record.size
    return min(record.offset, parts_of(here.settings).held(record.id, record.filename))


async def append(
    here: Context, owner: str, upload_id: str, offset: int, body: AsyncIterator[bytes], checksum: Checksum | None
) -> UploadRecord:
    """Append a body to an upload; what came of one that breaks off is kept, unless a checksum was to prove it.

    Args:
        here: the API's parts.
        owner: whose upload it is.
        upload_id: which.
        offset: where the client believes that the body belongs.
        body: in pieces; not longer than what is missing.
        checksum: of the whole body, if the client sent one.

    Returns:
        The upload as it is now.

    Raises:
        UploadUnknown, UploadExpired: there is none.
        UploadLocked: another request is writing to it.
        OffsetWrong: the upload is further or less far.
        ChecksumWrong: the body is not what was sent; nothing of it is kept.
    """
    with parts_of(here.settings).locked(upload_id):
        record = await run_in_threadpool(find, here, owner, upload_id)
        if offset != offset_of(here, record):
            raise OffsetWrong(
                f"expected Upload-Offset {offset_of(here, record)}; got {offset}: ask by HEAD, then go on"
            )
        if not record.scene_id:
            await _write(here, record, offset, body, checksum)
        return await run_in_threadpool(find, here, owner, upload_id)


def find(here: Context, owner: str, upload_id: str) -> UploadRecord:
    """Return an owner's upload; see `workers.uploads.find_upload`."""
    with here.sessions() as session:
        return find_upload(session, owner, upload_id)


def terminate(here: Context, owner: str, upload_id: str) -> None:
    """Remove an upload and its bytes, not the scene that it became.

    Raises:
        UploadUnknown, UploadExpired: there is none.
        UploadLocked: a request is writing to it.
    """
    find(here, owner, upload_id)
    parts = parts_of(here.settings)
    with parts.locked(upload_id):
        with writing(here.sessions) as session:
            remove_upload(session, upload_id)
        parts.remove(upload_id)


async def _write(
    here: Context, record: UploadRecord, offset: int, body: AsyncIterator[bytes], checksum: Checksum | None
) -> None:
    file = await run_in_threadpool(parts_of(here.settings).open, record.id, record.filename, offset)
    tail = _Tail(here, record, file, offset, checksum)
    try:
        async for batch in body:
            await run_in_threadpool(tail.write, batch)
    except (ClientDisconnect, BodyStalled):
        if checksum is None:
            await run_in_threadpool(tail.settle)
        raise
    else:
        await run_in_threadpool(tail.finish)
    finally:
        file.close()


class Checksum:
    """What a body's hash must be."""

    def __init__(self, algorithm: str, expected: bytes) -> None:
        self._hash = hashlib.new(algorithm, usedforsecurity=False)
        self._expected = expected

    def update(self, data: bytes) -> None:
        """Take in the next bytes."""
        self._hash.update(data)

    def check(self) -> None:
        """Compare.

        Raises:
            ChecksumWrong: they differ.
        """
        if self._hash.digest() != self._expected:
            expected, got = (base64.b64encode(digest).decode() for digest in (self._expected, self._hash.digest()))
            raise ChecksumWrong(f"expected {self._hash.name} {expected}; got {got}: send the same piece again")


@dataclass
class _Tail:
    """The end of an upload, while it is written."""

    here: Context
    record: UploadRecord
    file: BinaryIO
    offset: int
    checksum: Checksum | None
    _settled: int = 0

    def __post_init__(self) -> None:
        self._settled = self.offset

    def write(self, data: bytes) -> None:
        self.file.write(data)
        self.offset += len(data)
        if self.checksum is not None:
            self.checksum.update(data)
        elif self.offset - self._settled >= SETTLE_BYTES and self.offset < self.record.size:
            self.settle()

    def finish(self) -> None:
        if self.checksum is not None:
            self.checksum.check()
        self.settle()

    def settle(self) -> None:
        """Acknowledge all that was written; if that is all there is to come, it becomes a scene."""
        sync(self.file)
        parts, scene_id = parts_of(self.here.settings), ""
        if self.offset == self.record.size:
            image = parts.path(self.record.id, self.record.filename)
            scene, _ = take_in(self.here, self.record.owner, {"image": image}, self.record.options)
            scene_id = scene.id
        with writing(self.here.sessions) as session:
            advance(session, self.record.id, self.offset, expiry(self.here.settings), scene_id)
        self._settled = self.offset
        if scene_id:
            parts.remove(self.record.id)


def sweep_uploads(here: Context) -> None:
    """Remove uploads whose time is over, and bytes that belong to none and that nobody is writing."""
    parts = parts_of(here.settings)
    held = parts.ids()  # before the records are read: a record is there before its bytes
    with writing(here.sessions) as session:
        remove_expired(session)
        gone = held - known_uploads(session, held)
    for upload_id in gone:
        with suppress(UploadLocked), parts.locked(upload_id):
            parts.remove(upload_id)
