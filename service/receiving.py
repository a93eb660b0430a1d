"""From an upload that is whole to a scene that is to be read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from service.context import Context
from workers.dispatch import send
from workers.records import SceneRecord
from workers.scenes import receive_scene


def take_in(
    here: Context,
    owner: str,
    files: Mapping[str, Path],
    options: Mapping[str, Any],
    sha256: Mapping[str, str] | None = None,
) -> tuple[SceneRecord, bool]:
    """Make an upload a scene, and have it read.

    Args:
        here: the API's parts.
        owner: whose scene it is.
        files: role -> local file.
        options: from `service.scene_options.parse_options`.
        sha256: role -> SHA-256, as far as it was taken on the way.

    Returns:
        The scene, and whether it is new; the same bytes with the same options are one scene.
    """
    with here.sessions() as session:
        record, created = receive_scene(session, here.store, owner, files, options, sha256)
        session.refresh(record)
    if created:
        send(here.celery, "ingest_scene", record.id)
    return record, created
