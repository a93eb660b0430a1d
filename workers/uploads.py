"""Uploads that come in pieces: what the database knows of them. Their bytes lie with the API (`service.parts`)."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, String, Text, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from workers.errors import UploadExpired, UploadUnknown
from workers.records import Record, UtcDateTime, now


class UploadRecord(Record):
    """An upload, of which `offset` of `size` bytes are safe on disk.

    It is whole if and only if `scene_id` is set: the last bytes count only together with the scene that they complete.
    `options` are JSON values for the ingest; `metadata_header` is what the client sent, to be sent back as it came.
    """

    __tablename__ = "uploads"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64), default="")
    size: Mapped[int] = mapped_column(BigInteger)
    offset: Mapped[int] = mapped_column(BigInteger, default=0)
    filename: Mapped[str] = mapped_column(String(150))
    options: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    metadata_header: Mapped[str] = mapped_column(Text, default="")
    scene_id: Mapped[str] = mapped_column(String(64), default="")
    expires: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


def new_upload_id() -> str:
    """Return an id that nobody can guess."""
    return secrets.token_hex(16)


def find_upload(session: Session, owner: str, upload_id: str) -> UploadRecord:
    """Return an owner's upload as the database has it in this transaction.

    Raises:
        UploadUnknown: the owner has none of that id.
        UploadExpired: its time is over.
    """
    found = session.get(UploadRecord, upload_id, populate_existing=True)
    if found is None or found.owner != owner:
        raise UploadUnknown(f"no upload {upload_id!r}; create one by POST /uploads")
    if found.expires <= now():
        raise UploadExpired(f"upload {upload_id} expired at {found.expires:%Y-%m-%dT%H:%M:%SZ}; create another")
    return found


def advance(session: Session, upload_id: str, offset: int, expires: datetime, scene_id: str = "") -> None:
    """Acknowledge bytes that are safe on disk; the caller commits.

    Args:
        session: with or without a transaction under way.
        upload_id: a removed one stays removed.
        offset: number of bytes that are safe.
        expires: new end of the upload's time.
        scene_id: the scene that the upload became with its last byte, else "".
    """
    session.execute(
        update(UploadRecord)
        .where(UploadRecord.id == upload_id)
        .values(offset=offset, expires=expires, scene_id=scene_id)
        .execution_options(synchronize_session=False)
    )


def remove_upload(session: Session, upload_id: str) -> None:
    """Forget an upload, not the scene that it became; the caller commits."""
    session.execute(delete(UploadRecord).where(UploadRecord.id == upload_id))


def known_uploads(session: Session, ids: Collection[str]) -> set[str]:
    """Return those of the ids that are an upload's, whosever it is."""
    return set(session.scalars(select(UploadRecord.id).where(UploadRecord.id.in_(ids))))


def remove_expired(session: Session) -> None:
    """Forget all uploads whose time is over; the caller commits."""
    session.execute(delete(UploadRecord).where(UploadRecord.expires <= now()))
