"""The four kinds of work: the records that hold them, what makes one waiting, and the queue of its messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, select

from workers.records import BlockRecord, BlockState, JobRecord, JobState, SceneRecord, SceneState

LeasedRecord = type[SceneRecord] | type[JobRecord] | type[BlockRecord]
Key = tuple[str | int, ...]


@dataclass(frozen=True)
class Kind:
    """One kind of work.

    Attributes:
        name: name of the task; its arguments are the record's primary key.
        queue: `io` (files and network) or `gpu` (networks).
        record: table whose row stands for the work and carries its lease.
        state: state in which the record waits for this work, or is held by it.
    """

    name: str
    queue: str
    record: LeasedRecord
    state: str

    def key_columns(self) -> tuple[ColumnElement[Any], ...]:
        """Columns of the primary key, in the order of the task's arguments."""
        return tuple(self.record.__table__.primary_key)

    def identified(self, key: Key) -> list[ColumnElement[bool]]:
        """Condition that holds for one record."""
        return [column == value for column, value in zip(self.key_columns(), key, strict=True)]

    def live(self) -> list[ColumnElement[bool]]:
        """Condition that holds for records that wait for this work or are held by it."""
        conditions: list[ColumnElement[bool]] = [self.record.state == self.state]
        if self.record is BlockRecord:
            conditions.append(BlockRecord.job_id.in_(_segmenting_jobs()))
        return conditions


INGEST = Kind("ingest_scene", "io", SceneRecord, SceneState.RECEIVED)
PLAN = Kind("plan_job", "io", JobRecord, JobState.ACCEPTED)
SEGMENT = Kind("segment_block", "gpu", BlockRecord, BlockState.WAITING)
ASSEMBLE = Kind("assemble_job", "io", JobRecord, JobState.ASSEMBLING)
KINDS = {kind.name: kind for kind in (INGEST, PLAN, SEGMENT, ASSEMBLE)}
QUEUES = ("gpu", "io")


def kinds_of(queues: Sequence[str]) -> list[Kind]:
    """Return the kinds whose messages go to these queues."""
    return [kind for kind in KINDS.values() if kind.queue in queues]


def _segmenting_jobs() -> Select[str]:
    return select(JobRecord.id).where(JobRecord.state == JobState.SEGMENTING)
