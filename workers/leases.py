"""Leases: one worker at a time holds a piece of work, by atomic updates of its record in the database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import structlog
from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from workers.database import Sessions, changed_rows, epoch, writing
from workers.errors import Dismissed, LeaseLost
from workers.kinds import Key, Kind

log = structlog.get_logger()


def claim(session: Session, kind: Kind, key: Key, *, lease_s: float, most_attempts: int) -> Lease | None:
    """Take a waiting piece of work, or one whose lease ran out; None if there is no such work to take.

    Args:
        session: its transaction takes effect when the caller commits.
        kind: kind of the work.
        key: primary key of its record.
        lease_s: how long the lease lasts without `renew`.
        most_attempts: nothing is taken that was abandoned more often; the sweep lets it fail.
    """
    record, token = kind.record, uuid4().hex
    free = or_(record.lease_token == "", record.lease_until < epoch())
    taking = update(record).where(*kind.identified(key), *kind.live(), free, record.attempts <= most_attempts)
    values = {"lease_token": token, "lease_until": epoch() + lease_s, "attempts": record.attempts + 1}
    taken = changed_rows(session, taking.values(**values))
    return Lease(kind, key, token) if taken else None


def renew(session: Session, lease: Lease, lease_s: float) -> None:
    """Let a lease last longer.

    Raises:
        LeaseLost: it is another's now.
    """
    _held(session, lease, lease_until=epoch() + lease_s)


def finish(session: Session, lease: Lease, **values: Any) -> None:
    """Write the outcome of the work into its record, and give the lease back.

    Raises:
        LeaseLost: the lease is another's now; the caller must not commit.
        Dismissed: it is still ours, but the work is no longer wanted; the caller must not commit.
    """
    blank = {"lease_token": "", "lease_until": 0.0, "sent_at": 0.0, "attempts": 0}
    statement = update(lease.kind.record).where(*_ours(lease), *lease.kind.live())
    if not changed_rows(session, statement.values(**blank, **values)):
        if session.scalar(select(func.count()).select_from(lease.kind.record).where(*_ours(lease))):
            raise Dismissed(f"{lease.kind.name} {lease.key}: no longer wanted")
        raise _lost(lease)


def release(session: Session, lease: Lease, *, abandoned: bool = False, wait: bool = False) -> None:
    """Give a lease back with the work undone.

    Args:
        session: its transaction takes effect when the caller commits.
        lease: what to give back.
        abandoned: count this attempt; else it is as if it had not been.
        wait: let a while pass before the work is sent again, because what it needs is away.

    Raises:
        LeaseLost: the lease is another's now.
    """
    record = lease.kind.record
    _held(
        session,
        lease,
        lease_token="",
        lease_until=0.0,
        sent_at=epoch() if wait else 0.0,
        attempts=record.attempts if abandoned else record.attempts - 1,
    )


@contextmanager
def renewing(sessions: Sessions, lease: Lease, lease_s: float) -> Iterator[threading.Event]:
    """Renew a lease from a thread while the body runs; the event that it yields is set once the lease is lost."""
    lost, done = threading.Event(), threading.Event()
    thread = threading.Thread(target=_renew_until, args=(sessions, lease, lease_s, lost, done), daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        done.set()
        thread.join()


def _renew_until(
    sessions: Sessions, lease: Lease, lease_s: float, lost: threading.Event, done: threading.Event
) -> None:
    while not done.wait(lease_s / 3):
        try:
            with writing(sessions) as session:
                renew(session, lease, lease_s)
        except LeaseLost:
            lost.set()
            return
        except SQLAlchemyError as err:  # the database is away: the lease lasts or is lost, `finish` will tell
            log.warning("lease not renewed", work=lease.kind.name, key=lease.key, error=str(err))


def _held(session: Session, lease: Lease, **values: Any) -> None:
    if not changed_rows(session, update(lease.kind.record).where(*_ours(lease)).values(**values)):
        raise _lost(lease)


def _ours(lease: Lease) -> list[ColumnElement[bool]]:
    return [*lease.kind.identified(lease.key), lease.kind.record.lease_token == lease.token]


def _lost(lease: Lease) -> LeaseLost:
    return LeaseLost(f"{lease.kind.name} {lease.key}: the lease ran out and the work was given to another worker")


@dataclass(frozen=True)
class Lease:
    """A piece of work that is held; the token tells this holder from every other."""

    kind: Kind
    key: Key
    token: str
