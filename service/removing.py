"""Removing a scene, its records and its files."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.context import Context
from service.errors import SceneInUse
from workers.database import writing
from workers.jobs import LIVE
from workers.records import JobRecord, SceneState
from workers.scenes import find_scene


def remove_scene(here: Context, owner: str, scene_id: str) -> None:
    """Remove an owner's scene.

    Raises:
        SceneUnknown: there is none.
        SceneInUse: it is being read, or a job that is under way reads it.
    """
    with writing(here.sessions) as session:
        found = find_scene(session, owner, scene_id)
        if found.state == SceneState.RECEIVED:
            raise SceneInUse(f"scene {scene_id} is being read; try again when that is done")
        user = _user(session, scene_id)
        if user:
            raise SceneInUse(f"job {user} reads scene {scene_id}; wait for it or dismiss it first")
        session.delete(found)
    for folder in ("scenes", "uploads"):
        here.store.remove(f"{folder}/{scene_id}/")


def _user(session: Session, scene_id: str) -> str:
    """Return a job under way whose plan names the scene, or ""."""
    planned = select(JobRecord.id, JobRecord.plan).where(JobRecord.state.in_(LIVE), JobRecord.plan.is_not(None))
    for job_id, plan in session.execute(planned):
        if any(scene_id in date["scene_ids"] for date in plan.get("dates", [])):
            return str(job_id)
    return ""
