"""Scenes: taking uploads in, finding them again. The same bytes with the same options are one scene."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from workers.database import changed_rows, epoch
from workers.errors import SceneUnknown
from workers.records import SceneRecord, SceneState, now
from workers.store import Store

ROLES = ("image", "udm2", "metadata")
SCENE_FILES = ("reflectance.tif", "clear.tif", "item.json")


def receive_scene(
    session: Session,
    store: Store,
    owner: str,
    files: Mapping[str, Path],
    options: Mapping[str, Any],
    sha256: Mapping[str, str] | None = None,
) -> tuple[SceneRecord, bool]:
    """Store an upload and commit; the caller then sends its `ingest_scene` message if it is new.

    Args:
        session: a session without a transaction under way.
        store: where the files go, under `uploads/{id}/{nonce}/{role}/{name}`.
        owner: whose scene it is.
        files: role (image, udm2, metadata) -> local file, whose name counts: it may carry date and satellite.
        options: JSON values for the ingest, such as acquired, bands, scale.
        sha256: role -> SHA-256 of its file, where that was taken while it came; the rest is read here.

    Returns:
        The scene, and whether it is new: the same bytes with the same options, sent again, are the scene that
        is there already, unless that was rejected; then they are tried again.
    """
    digest = _digest(files, options, sha256 or {})
    known = _by_digest(session, owner, digest)
    session.commit()
    if known is not None and known.state != SceneState.REJECTED:
        return known, False
    scene_id = hashlib.sha256(f"{owner}\0{digest}".encode()).hexdigest()[:24]
    folder = f"uploads/{scene_id}/{uuid4().hex[:12]}"
    keys = {role: f"{folder}/{role}/{plain_name(path.name)}" for role, path in sorted(files.items())}
    for role, key in keys.items():
        store.put(files[role], key)
    upload = {"folder": folder, "files": keys, "options": dict(options)}
    size = sum(path.stat().st_size for path in files.values())
    created = _enter(session, scene_id, owner, digest, {"upload": upload, "upload_size": size})
    if not created:  # another request was faster
        store.remove(f"{folder}/")
    elif known is not None:
        store.remove(f"{known.upload['folder']}/")
    scene = _by_digest(session, owner, digest)
    session.commit()
    if scene is None:
        raise SceneUnknown(f"scene {scene_id!r} was removed while it was being received")
    return scene, created


def find_scene(session: Session, owner: str, scene_id: str) -> SceneRecord:
    """Return an owner's scene as the database has it in this transaction.

    Raises:
        SceneUnknown: the owner has no scene of that id.
    """
    scene = session.get(SceneRecord, scene_id, populate_existing=True)
    if scene is None or scene.owner != owner:
        raise SceneUnknown(f"no scene {scene_id!r}")
    return scene


def ready_scenes(session: Session, owner: str, start: datetime, end: datetime) -> list[SceneRecord]:
    """Return an owner's scenes that were acquired from `start` to before `end`, in order of time."""
    wanted = select(SceneRecord).where(
        SceneRecord.owner == owner,
        SceneRecord.state == SceneState.READY,
        SceneRecord.acquired >= start,
        SceneRecord.acquired < end,
    )
    return list(session.scalars(wanted.order_by(SceneRecord.acquired, SceneRecord.id)))


def reject_scene(session: Session, scene_id: str, reason: str) -> bool:
    """Reject an upload that is still to be read, within the caller's transaction; False if it is past that."""
    rejecting = update(SceneRecord).where(SceneRecord.id == scene_id, SceneRecord.state == SceneState.RECEIVED)
    return changed_rows(session, rejecting.values(state=SceneState.REJECTED, reason=reason)) == 1


def plain_name(name: str) -> str:
    """Return a file name that is a good part of a key, with all that tells date, satellite and bands."""
    return re.sub(r"[^A-Za-z0-9._ ()+@-]", "_", name).lstrip(".")[-150:] or "file"


def _enter(session: Session, scene_id: str, owner: str, sha256: str, values: dict[str, Any]) -> bool:
    """Write the record, in place of a rejected one whose files are gone; False if another request did."""
    again = {"state": SceneState.RECEIVED, "reason": "", "attempts": 0, "cleaned": False, **values}
    idle = or_(SceneRecord.lease_token == "", SceneRecord.lease_until < epoch())  # else its files are being removed
    entering = update(SceneRecord).where(SceneRecord.id == scene_id, SceneRecord.state == SceneState.REJECTED, idle)
    if changed_rows(session, entering.values(**again, lease_token="", sent_at=epoch(), updated=now())) == 1:
        session.commit()
        return True
    try:
        session.execute(insert(SceneRecord).values(id=scene_id, owner=owner, sha256=sha256, sent_at=epoch(), **values))
        session.commit()
    except IntegrityError:
        session.rollback()
        return False
    return True


def _by_digest(session: Session, owner: str, sha256: str) -> SceneRecord | None:
    wanted = select(SceneRecord).where(SceneRecord.owner == owner, SceneRecord.sha256 == sha256)
    return session.scalars(wanted.execution_options(populate_existing=True)).one_or_none()


def _digest(files: Mapping[str, Path], options: Mapping[str, Any], known: Mapping[str, str]) -> str:
    """Return the SHA-256 of an upload: that of each file in a fixed order, then the options."""
    total = hashlib.sha256()
    for role in ROLES:
        if role in files:
            total.update(f"{role} {known.get(role) or _file_sha256(files[role])}\n".encode())
    total.update(json.dumps(dict(options), sort_keys=True).encode())
    return total.hexdigest()


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
