"""Executions that a client may send twice: its key stands for the job that the first of them became.

Source: draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Float, ForeignKey, String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from workers.database import epoch
from workers.errors import IdempotencyKeyReused
from workers.records import JobRecord, Record

KEPT_S = 24 * 3600.0
"""How long a key stands for its job; then it is as good as new."""


class IdempotencyRecord(Record):
    """A client's key, written in one transaction with its job; `created` is epoch seconds of the database's clock."""

    __tablename__ = "idempotency_keys"

    owner: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    body_sha256: Mapped[str] = mapped_column(String(64))
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    created: Mapped[float] = mapped_column(Float, index=True)


@dataclass(frozen=True)
class Once:
    """What tells a repetition from another execution: the client's key, and the SHA-256 of the body's bytes."""

    key: str
    body_sha256: str


def job_of_key(session: Session, owner: str, once: Once) -> JobRecord | None:
    """Return the job that an owner's key stands for; None if it stands for none, or does so no more.

    Raises:
        IdempotencyKeyReused: the key came with another body.
    """
    found = session.execute(
        select(IdempotencyRecord.body_sha256, JobRecord)
        .join(JobRecord, JobRecord.id == IdempotencyRecord.job_id)
        .where(
            IdempotencyRecord.owner == owner,
            IdempotencyRecord.key == once.key,
            IdempotencyRecord.created >= epoch() - KEPT_S,
        )
    ).one_or_none()
    if found is None:
        return None
    body_sha256, job = found
    if body_sha256 != once.body_sha256:
        raise IdempotencyKeyReused(
            f"this Idempotency-Key stands for job {job.id}, which was started with another body: take a new key for "
            "another job, or send the same bytes again"
        )
    return job


def keep_key(session: Session, owner: str, once: Once, job_id: str) -> None:
    """Let a key stand for a job, within the caller's transaction; another transaction's same key is waited for.

    Raises:
        IntegrityError: another execution with the key was quicker; the caller must not commit.
    """
    session.execute(
        delete(IdempotencyRecord).where(
            IdempotencyRecord.owner == owner,
            IdempotencyRecord.key == once.key,
            IdempotencyRecord.created < epoch() - KEPT_S,
        )
    )
    session.add(
        IdempotencyRecord(
            owner=owner,
            key=once.key,
            body_sha256=once.body_sha256,
            job_id=job_id,
            created=session.scalar(select(epoch())),
        )
    )
    session.flush()


def forget_old_keys(session: Session) -> None:
    """Remove the keys that stand for nothing any more; the caller commits."""
    session.execute(delete(IdempotencyRecord).where(IdempotencyRecord.created < epoch() - KEPT_S))
