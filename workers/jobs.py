"""Jobs: taking them in, telling how far they are, ending them. Everything an owner asks for is that owner's alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from workers.database import changed_rows, epoch, hold
from workers.errors import JobRefused, JobsAtOnce, JobUnknown
from workers.idempotency import job_of_key, keep_key
from workers.items import forget_masks
from workers.records import JobRecord, JobState, ProductRecord, now
from workers.storage import check_storage
from workers.subscribers import subscribe
from workers.terms import PLAIN, UNLIMITED, Limits, Terms

FINAL = (JobState.SUCCESSFUL, JobState.FAILED, JobState.DISMISSED)
LIVE = (JobState.ACCEPTED, JobState.SEGMENTING, JobState.ASSEMBLING)

_KINDS = {
    "model": (str, "a string"),
    "aoi": (dict, "a GeoJSON object"),
    "start": (str, "a date"),
    "end": (str, "a date"),
}


def create_job(
    session: Session, owner: str, inputs: dict[str, Any], terms: Terms = PLAIN, limits: Limits = UNLIMITED
) -> JobRecord:
    """Store a job and commit; the caller then sends its `plan_job` message.

    Args:
        session: a session without a transaction under way, or of `writing`.
        owner: whose job it is.
        inputs: JSON values: model; and, where wanted, aoi (GeoJSON), start and end (YYYY-MM-DD), scenes (ids),
            date_by, min_area_ha, simplify_px, tta.
        terms: what comes with them.
        limits: of the owner.

    Raises:
        JobRefused: an input is missing or of the wrong kind.
        JobsAtOnce: the owner has as many as may be.
        StorageExceeded: the owner has stored as much as may be.
        IdempotencyKeyReused: the key came with another body.
    """
    if terms.once is not None and (repeated := job_of_key(session, owner, terms.once)) is not None:
        return repeated
    for name, (kind, expected) in _KINDS.items():
        value = inputs.get(name)
        if not isinstance(value, kind) and not (value is None and name != "model"):
            raise JobRefused(f"a job needs {name!r} as {expected}; got {type(value).__name__}")
    _check_limits(session, owner, limits)
    told = {} if terms.wanted is None else terms.wanted.to_json()
    job = JobRecord(id=str(uuid4()), owner=owner, inputs=inputs, wanted=told, sent_at=epoch())
    session.add(job)
    session.flush()
    try:
        if terms.once is not None:
            keep_key(session, owner, terms.once, job.id)
    except IntegrityError:  # another transaction was quicker, and is committed: only Postgres lets it come so far
        session.rollback()
        return create_job(session, owner, inputs, terms, limits)
    if terms.subscriber is not None:
        subscribe(session, job, terms.subscriber)
    session.commit()
    return job


def _check_limits(session: Session, owner: str, limits: Limits) -> None:
    """Refuse a job where its owner has all that may be; several at the same moment are looked at one by one."""
    if limits.at_once:
        hold(session, f"jobs of {owner}")
        live = select(func.count()).select_from(JobRecord).where(JobRecord.owner == owner, JobRecord.state.in_(LIVE))
        if (session.scalar(live) or 0) >= limits.at_once:
            raise JobsAtOnce(
                f"{limits.at_once} of your jobs are under way, and no more may be: wait for one, or dismiss one"
            )
    check_storage(session, owner, limits.stored_mb)


def find_job(session: Session, owner: str, job_id: str) -> JobRecord:
    """Return an owner's job as the database has it in this transaction.

    Raises:
        JobUnknown: the owner has no job of that id.
    """
    job = session.get(JobRecord, job_id, populate_existing=True)
    if job is None or job.owner != owner:
        raise JobUnknown(f"no job {job_id!r}")
    return job


def job_products(session: Session, job_id: str) -> list[ProductRecord]:
    """Return a job's products by name; there are none before it is successful."""
    return list(
        session.scalars(select(ProductRecord).where(ProductRecord.job_id == job_id).order_by(ProductRecord.name))
    )


def job_progress(session: Session, owner: str, job_id: str) -> Progress:
    """Tell how far an owner's job is.

    Raises:
        JobUnknown: the owner has no job of that id.
    """
    job = find_job(session, owner, job_id)
    if job.state == JobState.SUCCESSFUL:
        percent = 100
    else:
        percent = int(95 * job.blocks_done / job.blocks_total) if job.blocks_total else 0
    return Progress(job.state, percent, job.blocks_done, job.blocks_total, job.message)


def dismiss_job(session: Session, owner: str, job_id: str) -> JobRecord:
    """End a job that is under way, or give up the results of one that is over, and commit.

    Its work stops within one date, then its files are removed; its products are out of reach at once.

    Source: OGC API - Processes 1.0, requirements class Dismiss: what is done is removed too.

    Raises:
        JobUnknown: the owner has no job of that id.
    """
    find_job(session, owner, job_id)
    session.commit()
    if not end_job(session, job_id, JobState.DISMISSED, "dismissed"):
        _give_up(session, job_id)
    session.commit()
    return find_job(session, owner, job_id)


def end_job(session: Session, job_id: str, state: JobState, message: str) -> bool:
    """Bring a job that is under way to an end, within the caller's transaction; False if it was over before."""
    ending = update(JobRecord).where(JobRecord.id == job_id, JobRecord.state.in_(LIVE))
    return changed_rows(session, ending.values(state=state, message=message, finished=now())) == 1


def _give_up(session: Session, job_id: str) -> None:
    """Forget the products of a job that is over; the sweep removes the files."""
    session.execute(delete(ProductRecord).where(ProductRecord.job_id == job_id))
    forget_masks(session, job_id)
    session.execute(
        update(JobRecord)
        .where(JobRecord.id == job_id, JobRecord.state.in_((JobState.SUCCESSFUL, JobState.FAILED)))
        .values(state=JobState.DISMISSED, message="dismissed; the results were removed", cleaned=False)
        .execution_options(synchronize_session=False)
    )


def job_state(session: Session, job_id: str) -> str | None:
    """Return the state of a job as the database has it now; None if it has no such job."""
    return session.scalar(select(JobRecord.state).where(JobRecord.id == job_id))


@dataclass(frozen=True)
class Progress:
    """How far a job is: state, percent (0-100, never falling), blocks, and a message for its owner."""

    state: str
    percent: int
    blocks_done: int
    blocks_total: int
    message: str
