"""What is still to be told to those whom jobs call back. What a job has become decides; the database is the truth."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, exists, or_, select, update
from sqlalchemy.orm import Session

from workers.database import changed_rows, epoch
from workers.jobs import FINAL
from workers.records import JobRecord, JobState
from workers.statuses import progress_pct
from workers.subscribers import CallbackRecord, Event

WAITS_S = (10, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800, 28_800)
"""Pauses after the first, second, ... attempt in vain, a day in all; after the last the receiver is given up."""

_PROGRESS_STEP = 10
_OF_ONE_OWNER = 4
"""Attempts that are taken at once for one owner, lest slow receivers of one hold up those of others."""


STATES = {
    Event.SUCCESS: (JobState.SUCCESSFUL,),
    Event.FAILED: (JobState.FAILED, JobState.DISMISSED),
    Event.IN_PROGRESS: (JobState.SEGMENTING, JobState.ASSEMBLING),
}
"""The states of a job in which an event is to be told."""


def any_open(session: Session) -> bool:
    """Tell whether there may be anything to tell, without a transaction that writes."""
    return bool(session.scalar(select(exists().where(~CallbackRecord.over))))


def take_due(session: Session, *, lease_s: float, most: int) -> list[Call]:
    """Take the attempts that are due; nobody else gets them before the lease is over.

    Args:
        session: of `writing`.
        lease_s: longest time that an attempt may take.
        most: attempts to take at once.
    """
    _close_void(session)
    wanted = (
        select(CallbackRecord, JobRecord)
        .join(JobRecord, JobRecord.id == CallbackRecord.job_id)
        .where(~CallbackRecord.over, CallbackRecord.due <= epoch(), _is_time())
        .order_by(CallbackRecord.due)
    )
    calls: list[Call] = []
    of_owner: Counter[str] = Counter()
    for record, job in session.execute(wanted):
        news = _news(Event(record.event), job)
        if news == record.told or of_owner[job.owner] == _OF_ONE_OWNER or not _take(session, record, lease_s):
            continue
        of_owner[job.owner] += 1
        calls.append(Call(job, Event(record.event), record.url, record.base, news, record.tries + 1))
        if len(calls) == most:
            break
    return calls


def settle_call(session: Session, call: Call, answer: Answer) -> None:
    """Write down how an attempt went; in the caller's transaction."""
    if answer.accepted:
        over = call.event != Event.IN_PROGRESS
        tries = call.tries if over else 0
        _write(session, call, told=call.news, tries=tries, due=0.0, outcome=answer.text, over=over)
    elif answer.gone or call.tries > len(WAITS_S):
        _write(session, call, outcome=f"{answer.text}; given up", over=True)
        over = True
    else:
        wait_s = max(WAITS_S[call.tries - 1], answer.retry_after_s)
        _write(session, call, due=epoch() + wait_s, outcome=answer.text)
        over = False
    if over and call.event == Event.SUCCESS:  # what becomes of the results later is no failure
        changed_rows(session, update(CallbackRecord).where(CallbackRecord.job_id == call.job.id).values(over=True))


def _is_time() -> ColumnElement[bool]:
    return or_(*((CallbackRecord.event == event) & JobRecord.state.in_(states) for event, states in STATES.items()))


def _close_void(session: Session) -> None:
    """Close what will never be told: the job has ended, and otherwise."""
    for event, states in STATES.items():
        if event == Event.FAILED:
            continue  # a job may be dismissed before anybody knows of its success; `settle_call` closes it
        others = [state for state in FINAL if state not in states]
        ended = exists().where(JobRecord.id == CallbackRecord.job_id, JobRecord.state.in_(others))
        void = update(CallbackRecord).where(~CallbackRecord.over, CallbackRecord.event == event, ended)
        changed_rows(session, void.values(over=True))


def _news(event: Event, job: JobRecord) -> str:
    """Name what is to be told now; of progress, only every tenth part."""
    if event != Event.IN_PROGRESS:
        return str(event)
    return f"{job.state}-{progress_pct(job) // _PROGRESS_STEP * _PROGRESS_STEP}"


def _take(session: Session, record: CallbackRecord, lease_s: float) -> bool:
    taking = update(CallbackRecord).where(
        *_same(record.job_id, record.event, record.tries), ~CallbackRecord.over, CallbackRecord.told == record.told
    )
    return changed_rows(session, taking.values(due=epoch() + lease_s, tries=CallbackRecord.tries + 1)) == 1


def _write(session: Session, call: Call, **values: Any) -> None:
    """Write to the record if the attempt is still ours."""
    still_ours = update(CallbackRecord).where(*_same(call.job.id, call.event, call.tries))
    changed_rows(session, still_ours.values(**values))


def _same(job_id: str, event: str, tries: int) -> list[ColumnElement[bool]]:
    return [CallbackRecord.job_id == job_id, CallbackRecord.event == event, CallbackRecord.tries == tries]


@dataclass(frozen=True)
class Call:
    """One attempt that is to be made now.

    Attributes:
        job: as it was when the attempt was taken.
        event, url, base: of the record.
        news: names what is told; the same at every further attempt to tell it.
        tries: attempts to tell it, this one among them.
    """

    job: JobRecord
    event: Event
    url: str
    base: str
    news: str
    tries: int


@dataclass(frozen=True)
class Answer:
    """How an attempt went.

    Attributes:
        text: for the job's owner.
        accepted: the receiver has it.
        gone: the receiver wants nothing more.
        retry_after_s: how long the receiver asked to be left alone.
    """

    text: str
    accepted: bool = False
    gone: bool = False
    retry_after_s: float = 0.0
