"""Cleaning: files that nobody needs any more, because their scene or job is past them, leave the store."""

from __future__ import annotations

import time
from uuid import uuid4

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from workers.database import Sessions, epoch, writing
from workers.errors import NotStored
from workers.jobs import FINAL
from workers.records import BlockRecord, JobRecord, JobState, SceneRecord, SceneState
from workers.store import Store

ORPHAN_S = 24 * 3600.0
"""Age from which a file that no record knows is taken for left behind, not for under way."""


CLEANING_S = 300.0
"""How long removing one scene's files may take."""


def clean_scene(sessions: Sessions, store: Store, scene_id: str) -> None:
    """Remove the upload of a scene that is read or rejected, and what a rejected one has in the store."""
    with sessions() as session:
        scene = session.get(SceneRecord, scene_id)
        if scene is None or scene.cleaned or scene.state == SceneState.RECEIVED:
            return
    store.remove(f"{scene.upload['folder']}/")
    if scene.state == SceneState.REJECTED:
        _remove_rejected(sessions, store, scene)
    with writing(sessions) as session:
        # Not if it was sent again meanwhile: then there is another upload to clean.
        session.execute(
            update(SceneRecord)
            .where(SceneRecord.id == scene_id, SceneRecord.sha256 == scene.sha256, SceneRecord.state == scene.state)
            .values(cleaned=True)
        )


def clean_job(sessions: Sessions, store: Store, job_id: str) -> None:
    """Remove the block files of a job that is over, and its products unless it was successful.

    Waits for those who still hold work of it; whoever stores a file later looks at the job's state and takes
    the file away again.
    """
    with sessions() as session:
        job = session.get(JobRecord, job_id)
        if job is None or job.cleaned or job.state not in FINAL or _held(session, job_id):
            return
    store.remove(f"jobs/{job_id}/")
    if job.state != JobState.SUCCESSFUL:
        store.remove(f"masks/{job_id}/")
    with writing(sessions) as session:
        session.execute(delete(BlockRecord).where(BlockRecord.job_id == job_id))
        # Not if it was dismissed meanwhile: then its products are to go too.
        session.execute(
            update(JobRecord).where(JobRecord.id == job_id, JobRecord.state == job.state).values(cleaned=True)
        )


def clean_all(sessions: Sessions, store: Store) -> None:
    """Clean after every scene and job that is over and was not cleaned yet."""
    with sessions() as session:
        scenes = list(
            session.scalars(
                select(SceneRecord.id).where(SceneRecord.cleaned.is_(False), SceneRecord.state != SceneState.RECEIVED)
            )
        )
        jobs = list(
            session.scalars(select(JobRecord.id).where(JobRecord.cleaned.is_(False), JobRecord.state.in_(FINAL)))
        )
    for scene_id in scenes:
        clean_scene(sessions, store, scene_id)
    for job_id in jobs:
        clean_job(sessions, store, job_id)


def remove_orphans(sessions: Sessions, store: Store, older_s: float = ORPHAN_S) -> None:
    """Remove files that were stored just before their process was killed, so that no record tells of them.

    Walks uploads and block files, which are few: those of work under way.
    """
    with sessions() as session:
        uploads = {
            scene.upload["folder"]
            for scene in session.scalars(select(SceneRecord).where(SceneRecord.cleaned.is_(False)))
        }
        jobs = set(session.scalars(select(JobRecord.id).where(JobRecord.cleaned.is_(False))))
    for key in [*store.keys("uploads/"), *store.keys("jobs/")]:
        parts = key.split("/")
        known = "/".join(parts[:3]) in uploads if parts[0] == "uploads" else parts[1] in jobs
        if not known and _age_s(store, key) > older_s:
            store.remove(key)


def _remove_rejected(sessions: Sessions, store: Store, scene: SceneRecord) -> None:
    """Remove the files of a scene that was rejected after an attempt had begun to store them.

    The lease keeps out the ingest of the same scene, sent again.
    """
    token = uuid4().hex
    free = or_(SceneRecord.lease_token == "", SceneRecord.lease_until < epoch())
    with writing(sessions) as session:
        session.execute(
            update(SceneRecord)
            .where(SceneRecord.id == scene.id, SceneRecord.state == SceneState.REJECTED, free)
            .values(lease_token=token, lease_until=epoch() + CLEANING_S)
        )
        held = session.scalar(select(SceneRecord.lease_token).where(SceneRecord.id == scene.id))
    if held == token:
        store.remove(f"scenes/{scene.id}/")
        with writing(sessions) as session:
            session.execute(
                update(SceneRecord)
                .where(SceneRecord.id == scene.id, SceneRecord.lease_token == token)
                .values(lease_token="", lease_until=0.0)
            )


def _held(session: Session, job_id: str) -> bool:
    blocks = (
        select(func.count())
        .select_from(BlockRecord)
        .where(BlockRecord.job_id == job_id, BlockRecord.lease_token != "", BlockRecord.lease_until >= epoch())
    )
    job = (
        select(func.count())
        .select_from(JobRecord)
        .where(JobRecord.id == job_id, JobRecord.lease_token != "", JobRecord.lease_until >= epoch())
    )
    return bool(session.scalar(blocks)) or bool(session.scalar(job))


def _age_s(store: Store, key: str) -> float:
    try:
        return time.time() - store.stat(key).modified
    except NotStored:
        return 0.0
