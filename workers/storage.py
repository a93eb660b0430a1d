"""How many bytes an owner has in the store, and whether more may come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from workers.errors import StorageExceeded
from workers.records import JobRecord, ProductRecord, SceneRecord
from workers.uploads import UploadRecord


def stored_bytes(session: Session, owner: str) -> int:
    """Return how many bytes an owner's scenes, uploads and products take.

    An upload that comes in pieces counts in full from its beginning; one that is read counts until it is cleaned away,
    beside the scene that was made of it. Block files of jobs under way do not count: they go by themselves.
    """
    upload = case((SceneRecord.cleaned.is_(False), SceneRecord.upload_size), else_=0)
    scenes = select(func.sum(SceneRecord.size + upload)).where(SceneRecord.owner == owner)
    pieces = select(func.sum(UploadRecord.size)).where(UploadRecord.owner == owner, UploadRecord.scene_id == "")
    products = (
        select(func.sum(ProductRecord.size))
        .join(JobRecord, JobRecord.id == ProductRecord.job_id)
        .where(JobRecord.owner == owner)
    )
    return sum(int(session.scalar(query) or 0) for query in (scenes, pieces, products))


def room_bytes(session: Session, owner: str, stored_mb: int) -> int | None:
    """Return how many bytes an owner may still send; None: any number.

    Args:
        session: with or without a transaction under way.
        owner: whose.
        stored_mb: all that may be stored, in megabytes; 0 = any number.

    Raises:
        StorageExceeded: not one.
    """
    if not stored_mb:
        return None
    used, allowed = stored_bytes(session, owner), stored_mb * 1_000_000
    if used >= allowed:
        raise full(used, allowed)
    return allowed - used


def check_storage(session: Session, owner: str, stored_mb: int, more: int = 0) -> None:
    """Refuse more bytes than an owner has room for. Two requests at the same moment may exceed it by one of them.

    Args:
        session: with or without a transaction under way.
        owner: whose.
        stored_mb: all that may be stored, in megabytes; 0 = any number.
        more: bytes that are to come; even if there are none, there must be room.

    Raises:
        StorageExceeded: there is not that much room.
    """
    room = room_bytes(session, owner, stored_mb)
    if room is not None and more > room:
        raise full(stored_mb * 1_000_000 - room, stored_mb * 1_000_000, more)


def full(used: int, allowed: int, more: int = 0) -> StorageExceeded:
    """Return the error that says how many bytes are used and allowed, how many more were to come, and what to do."""
    wanted = f", and {more / 1e6:,.1f} MB more do not fit" if more else ""
    return StorageExceeded(
        f"you have {used / 1e6:,.1f} MB stored of {allowed / 1e6:,.1f} MB allowed{wanted}: delete scenes "
        "(DELETE /scenes/ID), dismiss jobs (DELETE /jobs/ID) or give up uploads (DELETE /uploads/ID)",
        used,
        allowed,
    )


def item_bytes(item: Mapping[str, Any]) -> int:
    """Return the size of the files that a scene's Item lists."""
    return sum(int(asset.get("file:size", 0)) for asset in item["assets"].values())
