"""The work `segment_block`: one block of a job, from scenes in the store to block files in the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, update

from geo.scene import scene_from_item
from models.errors import ModelUnknown
from models.registry import find_model
from workers.attempts import Attempt, attempt
from workers.block_pipeline import files_of
from workers.block_pipeline import segment_block as run_pipeline
from workers.database import writing
from workers.dispatch import send
from workers.errors import Dismissed, JobRefused
from workers.jobs import job_state
from workers.kinds import ASSEMBLE, SEGMENT
from workers.leases import finish
from workers.plan import Plan
from workers.records import BlockState, JobRecord, JobState, SceneRecord, now
from workers.store import Store
from workers.workplace import Workplace


def segment_block(place: Workplace, job_id: str, index: int) -> None:
    """Segment a block; whoever does the last one has the job assembled."""
    attempt(place, SEGMENT, (job_id, index), _segment)


def block_folder(job_id: str, index: int) -> str:
    """Return the prefix of a block's files in the store."""
    return f"jobs/{job_id}/blocks/{index:06d}"


def _segment(current: Attempt) -> None:
    place, (job_id, index) = current.place, current.lease.key
    plan, items = _load(place, str(job_id))
    scenes = {scene_id: scene_from_item(item, place.store.gdal_path) for scene_id, item in items.items()}
    _, folder = find_model(plan.model_id, place.settings.model_folders)
    engine = place.engine(folder, plan.model_hash, tta=plan.tta)
    if engine.card.hashes.get("weights.safetensors", "") != plan.model_hash:
        raise ModelUnknown(
            f"the job was planned with other weights of {plan.model_id} than this worker has: give all machines the "
            "same models, then send the job again"
        )
    out = current.folder / "block"
    try:
        run_pipeline(
            plan, plan.blocks[int(index)], scenes, engine, out, lambda _: current.check_job(JobState.SEGMENTING)
        )
    except (Dismissed, JobRefused):
        raise
    except Exception:
        _probe(place.store, items)
        raise
    prefix = block_folder(str(job_id), int(index))
    try:
        for name in files_of(engine.card):
            current.check_job(JobState.SEGMENTING)
            place.store.put(out / name, f"{prefix}/{name}")
        last = _finish(current)
    finally:
        _leave_nothing_of_a_job_that_is_over(place, str(job_id), prefix)
    if last:
        send(place.celery, ASSEMBLE.name, str(job_id))


def _load(place: Workplace, job_id: str) -> tuple[Plan, dict[str, dict[str, Any]]]:
    with place.sessions() as session:
        job = session.get_one(JobRecord, job_id)
        plan = Plan.from_json(job.plan or {})
        wanted = {scene_id for date in plan.dates for scene_id in date.scene_ids}
        found = session.execute(select(SceneRecord.id, SceneRecord.item).where(SceneRecord.id.in_(wanted)))
        items = {scene_id: item for scene_id, item in found if item is not None}
    if missing := sorted(wanted - set(items)):
        raise JobRefused(f"scenes that the job was planned with are gone: {', '.join(missing)}")
    return plan, items


def _probe(store: Store, items: Mapping[str, dict[str, Any]]) -> None:
    """After an error, tell a store that is away (StoreUnavailable, which passes) from a real one."""
    for item in items.values():
        store.stat(item["assets"]["reflectance"]["href"])
        return


def _finish(current: Attempt) -> bool:
    """Mark the block as done and count it; True for the last one, with which the job goes over to assembly."""
    job_id = current.lease.key[0]
    with writing(current.place.sessions) as session:
        finish(session, current.lease, state=BlockState.DONE)
        counted = session.execute(
            update(JobRecord)
            .where(JobRecord.id == job_id, JobRecord.state == JobState.SEGMENTING)
            .values(blocks_done=JobRecord.blocks_done + 1)
            .returning(JobRecord.blocks_done, JobRecord.blocks_total)
            .execution_options(synchronize_session=False)
        ).one_or_none()
        if counted is None:
            raise Dismissed(f"job {job_id} is over")
        done, total = counted
        if done == 1:
            session.execute(update(JobRecord).where(JobRecord.id == job_id).values(first_block=now()))
        if done == total:
            session.execute(
                update(JobRecord)
                .where(JobRecord.id == job_id)
                .values(state=JobState.ASSEMBLING, sent_at=0.0, attempts=0, message="assembling", segmented=now())
                .execution_options(synchronize_session=False)
            )
    return bool(done == total)


def _leave_nothing_of_a_job_that_is_over(place: Workplace, job_id: str, prefix: str) -> None:
    """A job may have ended, and been cleaned, while the block's files were being put."""
    with place.sessions() as session:
        state = job_state(session, job_id)
    if state not in (JobState.SEGMENTING, JobState.ASSEMBLING):
        place.store.remove(f"{prefix}/")
