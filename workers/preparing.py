"""The work `plan_job`: from a job's inputs and its owner's scenes to a plan and its blocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from geo.scene import scene_from_item
from models.registry import find_model
from workers.attempts import Attempt, attempt
from workers.database import epoch, writing
from workers.dispatch import send
from workers.errors import JobRefused
from workers.kinds import PLAN, SEGMENT
from workers.leases import finish
from workers.planning import Request, make_plan
from workers.records import BlockRecord, BlockState, JobRecord, JobState, SceneRecord, SceneState, now
from workers.workplace import Workplace


def plan_job(place: Workplace, job_id: str) -> None:
    """Plan a job, write its blocks and send them."""
    attempt(place, PLAN, (job_id,), _plan)


def read_request(inputs: dict[str, Any]) -> Request:
    """Read a job's inputs.

    Raises:
        JobRefused: an input has the wrong form.
    """
    try:
        return Request(
            aoi=inputs.get("aoi"),
            start=date.fromisoformat(inputs["start"][:10]) if inputs.get("start") else None,
            end=date.fromisoformat(inputs["end"][:10]) if inputs.get("end") else None,
            date_by=inputs.get("date_by") or "day",
            min_area_ha=float(inputs.get("min_area_ha") or 0.0),
            simplify_px=float(inputs.get("simplify_px") or 0.0),
            tta=bool(inputs.get("tta")),
        )
    except (TypeError, ValueError) as err:
        raise JobRefused(f"the job's inputs cannot be read: {err}") from err


def _plan(current: Attempt) -> None:
    place, settings = current.place, current.place.settings
    job_id = str(current.lease.key[0])
    with place.sessions() as session:
        job = session.get_one(JobRecord, job_id)
        request = read_request(job.inputs)
        items = _candidates(session, job, request)
    scenes = [scene_from_item(item, place.store.gdal_path) for item in items]
    card, _ = find_model(job.inputs["model"], settings.model_folders)
    plan = make_plan(scenes, request, card, block_px=settings.block_px, max_aoi_km2=settings.max_aoi_km2)
    with writing(place.sessions) as session:
        finish(
            session,
            current.lease,
            state=JobState.SEGMENTING,
            plan=plan.to_json(),
            blocks_total=len(plan.blocks),
            started=now(),
            message="segmenting",
        )
        session.execute(
            insert(BlockRecord).values(sent_at=epoch()),
            [{"job_id": job_id, "index": block.index, "state": BlockState.WAITING} for block in plan.blocks],
        )
    for block in plan.blocks:
        if not send(place.celery, SEGMENT.name, job_id, block.index):
            return  # the sweep sends the rest


def _candidates(session: Session, job: JobRecord, request: Request) -> list[dict[str, Any]]:
    """Return the Items of the scenes that the job names; else of those in its period, or of all if there are none."""
    wanted = select(SceneRecord).where(
        SceneRecord.owner == job.owner, SceneRecord.state == SceneState.READY, SceneRecord.acquired.is_not(None)
    )
    named = job.inputs.get("scenes")
    if named:
        found = {scene.id: scene for scene in session.scalars(wanted.where(SceneRecord.id.in_(named)))}
        if missing := [scene_id for scene_id in named if scene_id not in found]:
            raise JobRefused(f"these scenes are unknown or not ready: {', '.join(map(str, missing))}")
        return [scene.item for scene in found.values() if scene.item is not None]
    during = wanted
    if request.start:
        during = during.where(SceneRecord.acquired >= datetime.combine(request.start, time(), UTC))
    if request.end:
        during = during.where(SceneRecord.acquired < datetime.combine(request.end, time(), UTC) + timedelta(days=1))
    scenes = list(session.scalars(during)) or list(session.scalars(wanted))
    return [scene.item for scene in scenes if scene.item is not None]
