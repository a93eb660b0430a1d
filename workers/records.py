"""Records: the truth about scenes, jobs, blocks and products. Times are UTC, epoch seconds where they are compared."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from typing_extensions import override


def now() -> datetime:
    """Return the present time, aware, UTC."""
    return datetime.now(UTC)


def stamp(time: datetime) -> str:
    """Write a time as RFC 3339, to the second, UTC."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class UtcDateTime(TypeDecorator[datetime]):
    """Aware time, UTC; SQLite, which knows no time zones, gives it back aware too."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times; store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"expected a time with a zone, got {value.isoformat()}")
        return value.astimezone(UTC)

    @override
    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give back UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Record(DeclarativeBase):
    """Base of every table."""


class SceneState(StrEnum):
    """Life of an upload: received -> ready or rejected; or split, where it held several or lay elsewhere."""

    RECEIVED = "received"
    READY = "ready"
    SPLIT = "split"
    REJECTED = "rejected"


class JobState(StrEnum):
    """Life of a job; `accepted` is being planned, the last three are final."""

    ACCEPTED = "accepted"
    SEGMENTING = "segmenting"
    ASSEMBLING = "assembling"
    SUCCESSFUL = "successful"
    FAILED = "failed"
    DISMISSED = "dismissed"


class BlockState(StrEnum):
    """Life of a block."""

    WAITING = "waiting"
    DONE = "done"


class Leased:
    """Columns of a piece of work that one worker at a time holds under a lease.

    `lease_token` is empty where nobody holds it; `lease_until` and `sent_at` are epoch seconds;
    `attempts` counts the leases that were taken and not given back in good order. The clock is the database's.
    """

    lease_token: Mapped[str] = mapped_column(String(32), default="")
    lease_until: Mapped[float] = mapped_column(Float, default=0.0)
    sent_at: Mapped[float] = mapped_column(Float, default=0.0)
    attempts: Mapped[int] = mapped_column(Integer, default=0)


class SceneRecord(Leased, Record):
    """An upload and what became of it.

    `upload` holds {"folder", "files": {role: key in the store}, "options": {...}}, and {"references": {role: URL}} in
    place of files where a worker is to fetch them; `item` is the STAC Item once the
    scene is ready; `parts` are the ids of the scenes that a split upload held; `cleaned` tells that the
    files of its upload are gone. `size` and `upload_size` are the bytes of its rasters and of those files.
    """

    __tablename__ = "scenes"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64), default="", index=True)
    state: Mapped[str] = mapped_column(String(16), default=SceneState.RECEIVED, index=True)
    sha256: Mapped[str] = mapped_column(String(64))
    upload: Mapped[dict[str, Any]] = mapped_column(JSON)
    reason: Mapped[str] = mapped_column(Text, default="")
    item: Mapped[dict[str, Any] | None] = mapped_column(JSON, nullable=True)
    acquired: Mapped[datetime | None] = mapped_column(UtcDateTime, nullable=True, index=True)
    parts: Mapped[list[str]] = mapped_column(JSON, default=list)
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    upload_size: Mapped[int] = mapped_column(BigInteger, default=0)
    cleaned: Mapped[bool] = mapped_column(Boolean, default=False)
    created: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated: Mapped[datetime] = mapped_column(UtcDateTime, default=now, onupdate=now)

    __table_args__ = (Index("scenes_owner_sha256", "owner", "sha256", unique=True),)


class JobRecord(Leased, Record):
    """A job: inputs as asked for, the plan once made (`workers.plan.Plan` as JSON), progress, outcome.

    `wanted` says which results are to come and how (`workers.results.Wanted` as JSON).

    A plan names every block: it is read only where it is asked for, while the session lasts.

    It was `started` when it was planned; `first_block` and `segmented` are when its first and last block were done.

    `cleaned` tells that the files which only its work needed are gone from the store.
    """

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64), default="", index=True)
    state: Mapped[str] = mapped_column(String(16), default=JobState.ACCEPTED)
    inputs: Mapped[dict[str, Any]] = mapped_column(JSON)
    wanted: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    plan: Mapped[dict[str, Any] | None] = mapped_column(JSON, nullable=True, deferred=True)
    blocks_total: Mapped[int] = mapped_column(Integer, default=0)
    blocks_done: Mapped[int] = mapped_column(Integer, default=0)
    message: Mapped[str] = mapped_column(Text, default="")
    cleaned: Mapped[bool] = mapped_column(Boolean, default=False)
    created: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    started: Mapped[datetime | None] = mapped_column(UtcDateTime, nullable=True)
    first_block: Mapped[datetime | None] = mapped_column(UtcDateTime, nullable=True)
    segmented: Mapped[datetime | None] = mapped_column(UtcDateTime, nullable=True)
    finished: Mapped[datetime | None] = mapped_column(UtcDateTime, nullable=True)
    updated: Mapped[datetime] = mapped_column(UtcDateTime, default=now, onupdate=now)

    __table_args__ = (Index("jobs_state_finished", "state", "finished"),)


class BlockRecord(Leased, Record):
    """A block of a job; its window stands in the job's plan."""

    __tablename__ = "blocks"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    index: Mapped[int] = mapped_column(Integer, primary_key=True)
    state: Mapped[str] = mapped_column(String(16), default=BlockState.WAITING, index=True)


class ProductRecord(Record):
    """A finished file of a job, at `key` in the store."""

    __tablename__ = "products"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    media_type: Mapped[str] = mapped_column(String(128))
    title: Mapped[str] = mapped_column(String(256), default="")
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))

    @property
    def key(self) -> str:
        """Where the file lies in the store."""
        return f"masks/{self.job_id}/{self.name}"
