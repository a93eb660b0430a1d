"""The work `ingest_scene`: from an upload to a scene in the store and its STAC Item in the database."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import select

from geo.errors import SceneRejected
from workers.attempts import Attempt, attempt
from workers.cleaning import clean_scene
from workers.database import writing
from workers.dispatch import send
from workers.errors import Dismissed, LeaseLost, ReadingDied, StorageExceeded
from workers.items import item_of_scene
from workers.kinds import INGEST
from workers.leases import finish
from workers.reading import read_upload
from workers.records import SceneRecord, SceneState
from workers.references import fetch
from workers.scenes import SCENE_FILES, receive_scene
from workers.storage import check_storage, item_bytes
from workers.workplace import Workplace

if TYPE_CHECKING:
    from geo.bundle import Bundle
    from geo.ingest import IngestOptions


log = structlog.get_logger()

Files = tuple[dict[str, Path], dict[str, str]]
"""Role -> file, and role -> SHA-256 where that is known already."""

READINGS = 3
"""Times that the process which reads an upload may crash; a file that kills its reader will do so again."""


def ingest_scene(place: Workplace, scene_id: str) -> None:
    """Turn an upload into a scene; a zip of several scenes, or what lies elsewhere, into uploads of their own."""
    attempt(place, INGEST, (scene_id,), _ingest)
    clean_scene(place.sessions, place.store, scene_id)


def _ingest(current: Attempt) -> None:
    place, settings = current.place, current.place.settings
    scene_id = str(current.lease.key[0])
    with place.sessions() as session:
        scene = session.get_one(SceneRecord, scene_id)
        upload, owner = scene.upload, scene.owner
    if "references" in upload:
        _take_in(current, owner, [_fetch_all(current, owner, upload["references"])], upload["options"])
        return
    files = {role: _fetch(current, role, key) for role, key in upload["files"].items()}
    options = _options(scene_id, files, upload["options"], settings.max_scene_px)
    out, parts = _read(current, files["image"], options)
    if parts:
        _split(current, owner, parts, upload["options"])
    else:
        _store(current, owner, scene_id, out / "scene")


def _read(current: Attempt, source: Path, options: IngestOptions) -> tuple[Path, tuple[Bundle, ...]]:
    """Read an upload in a child process, which may be killed by chance; not again and again, though."""
    settings = current.place.settings
    for number in range(READINGS):
        out = current.folder / f"read{number}"
        out.mkdir()
        try:
            parts = read_upload(
                source,
                out,
                options,
                timeout_s=settings.ingest_timeout_s,
                memory_mb=settings.ingest_memory_mb,
                check=current.check,
            )
        except ReadingDied as err:
            log.warning("reader died", scene=options.scene_id, error=str(err))
            shutil.rmtree(out)
        else:
            return out, parts
    raise SceneRejected(
        f"reading {source.name} was tried {READINGS} times, and each time its process crashed or was killed; "
        "the file is damaged, or too large for this service"
    )


def _fetch(current: Attempt, role: str, key: str) -> Path:
    """Bring a file of the upload to scratch under its own name, which may tell date and satellite."""
    current.check()
    folder = current.folder / role
    folder.mkdir()
    path = folder / key.rpartition("/")[2]
    current.place.store.get(key, path)
    return path


def _options(scene_id: str, files: dict[str, Path], options: dict[str, Any], max_px: int) -> IngestOptions:
    from geo.ingest import IngestOptions

    acquired = options.get("acquired")
    return IngestOptions(
        scene_id=scene_id,
        udm2=files.get("udm2"),
        metadata=files.get("metadata"),
        acquired=datetime.fromisoformat(acquired) if acquired else None,
        bands=options.get("bands"),
        scale=options.get("scale"),
        max_px=max_px,
    )


def _store(current: Attempt, owner: str, scene_id: str, out: Path) -> None:
    """Put the scene's files, then say so in the database: the Item's hrefs are keys of the store."""
    item = json.loads((out / "item.json").read_text())
    for asset in item["assets"].values():
        asset["href"] = f"scenes/{scene_id}/{asset['href']}"
    (out / "item.json").write_text(json.dumps(item))
    try:
        for name in SCENE_FILES:
            current.check()
            current.place.store.put(out / name, f"scenes/{scene_id}/{name}")
        acquired = datetime.fromisoformat(item["properties"]["datetime"].replace("Z", "+00:00"))
        size = item_bytes(item)
        with writing(current.place.sessions) as session:
            finish(session, current.lease, state=SceneState.READY, item=item, acquired=acquired, size=size)
            session.add(item_of_scene(owner, item))
    except (Dismissed, LeaseLost):
        _leave_nothing_of_a_scene_that_is_none(current, scene_id)
        raise


def _leave_nothing_of_a_scene_that_is_none(current: Attempt, scene_id: str) -> None:
    """A scene may have been rejected, and cleaned, while its files were being put."""
    with current.place.sessions() as session:
        state = session.scalar(select(SceneRecord.state).where(SceneRecord.id == scene_id))
    if state not in (SceneState.RECEIVED, SceneState.READY):
        current.place.store.remove(f"scenes/{scene_id}/")


def _split(current: Attempt, owner: str, parts: tuple[Bundle, ...], options: dict[str, Any]) -> None:
    """Take each scene of a zip in as an upload of its own."""
    found: list[Files] = []
    for part in parts:
        files = {"image": part.image, "udm2": part.udm2, "metadata": part.metadata_json or part.metadata_xml}
        found.append(({role: path for role, path in files.items() if path is not None}, {}))
    _take_in(current, owner, found, options)


def _fetch_all(current: Attempt, owner: str, references: dict[str, str]) -> Files:
    """Bring what a scene by reference consists of to scratch."""
    fetched = {}
    for role, url in references.items():
        folder = current.folder / role
        folder.mkdir()
        fetched[role] = fetch(url, folder, current.place.settings, current.check)
    _check_room(current, owner, sum(file.path.stat().st_size for file in fetched.values()))
    return {role: file.path for role, file in fetched.items()}, {role: file.sha256 for role, file in fetched.items()}


def _check_room(current: Attempt, owner: str, size: int) -> None:
    with current.place.sessions() as session:
        try:
            check_storage(session, owner, current.place.settings.stored_mb, size)
        except StorageExceeded as err:
            raise SceneRejected(str(err)) from err


def _take_in(current: Attempt, owner: str, found: list[Files], options: dict[str, Any]) -> None:
    """Make each of these an upload of its own; doing it twice takes nothing in twice."""
    place, ids = current.place, []
    for files, sha256 in found:
        current.check()
        with place.sessions() as session:
            scene, created = receive_scene(session, place.store, owner, files, options, sha256)
        ids.append(scene.id)
        if created:
            send(place.celery, INGEST.name, scene.id)
    with writing(place.sessions) as session:
        finish(session, current.lease, state=SceneState.SPLIT, parts=ids)
