"""One attempt at a piece of work: claim it, keep its lease, do it in a scratch folder, answer for what goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from geo.errors import GeoError
from models.errors import ModelError
from workers.database import writing
from workers.errors import Dismissed, JobRefused, LeaseLost, Stopped, StoreUnavailable
from workers.jobs import end_job, job_state
from workers.kinds import INGEST, Key, Kind
from workers.leases import Lease, claim, release, renewing
from workers.records import JobState
from workers.scenes import reject_scene
from workers.scratch import attempt_folder
from workers.workplace import Workplace

log = structlog.get_logger()

REFUSALS = (GeoError, ModelError, JobRefused)
"""Errors of the input: final, and their message is for the user."""

PASSING = (StoreUnavailable, OperationalError, InterfaceError)
"""Errors that go away: the work is given back and tried again after a while."""


def attempt(place: Workplace, kind: Kind, key: Key, work: Callable[[Attempt], None]) -> None:
    """Do a piece of work if nobody else has it; never raises.

    A message for work that is held, done or unknown is dropped here.
    """
    settings = place.settings
    try:
        with writing(place.sessions) as session:
            lease = claim(session, kind, key, lease_s=settings.lease_s, most_attempts=settings.max_attempts)
        if lease is None:
            return
        with (
            attempt_folder(place.scratch, kind.name) as folder,
            renewing(place.sessions, lease, settings.lease_s) as lost,
        ):
            _answered(Attempt(place, lease, folder, lost), work)
    except PASSING as err:  # the lease runs out, and the sweep sends the work again
        log.warning("work given up for now", task=kind.name, key=key, error=str(err))


def give_up(session: Session, kind: Kind, key: Key, message: str) -> None:
    """Let a piece of work fail for good: its scene is rejected, its job failed. In the caller's transaction."""
    if kind is INGEST:
        reject_scene(session, str(key[0]), message)
    else:
        end_job(session, str(key[0]), JobState.FAILED, message)


def _answered(current: Attempt, work: Callable[[Attempt], None]) -> None:
    place, lease = current.place, current.lease
    about = {"task": lease.kind.name, "key": lease.key}
    try:
        work(current)
    except LeaseLost as err:
        log.warning("lease lost", **about, error=str(err))
    except (Dismissed, Stopped):
        _release(current)
    except PASSING as err:
        log.warning("to be tried again", **about, error=str(err))
        _release(current, wait=True)
    except REFUSALS as err:
        log.info("refused", **about, reason=str(err))
        _fail(place, lease, str(err))
    except Exception:
        number = uuid4().hex[:8]
        log.exception("internal error", **about, id=number)
        _fail(place, lease, f"internal error {number}; the operator finds its details in the log under this id")


def _release(current: Attempt, *, wait: bool = False) -> None:
    try:
        with writing(current.place.sessions) as session:
            release(session, current.lease, wait=wait)
    except LeaseLost:
        pass


def _fail(place: Workplace, lease: Lease, message: str) -> None:
    try:
        with writing(place.sessions) as session:
            release(session, lease, abandoned=True)
            give_up(session, lease.kind, lease.key, message)
    except LeaseLost as err:
        log.warning("lease lost", task=lease.kind.name, key=lease.key, error=str(err))


@dataclass(frozen=True)
class Attempt:
    """A piece of work under way.

    Attributes:
        place: of the worker that does it.
        lease: under which it is done.
        folder: scratch, gone afterwards.
        lost: set once the lease is another's.
    """

    place: Workplace
    lease: Lease
    folder: Path
    lost: threading.Event

    def check(self) -> None:
        """Raise Stopped or LeaseLost where going on is in vain; cheap."""
        if self.place.stopping.is_set():
            raise Stopped("this worker is told to end")
        if self.lost.is_set():
            raise LeaseLost(f"{self.lease.kind.name} {self.lease.key}: the lease ran out")

    def check_job(self, state: JobState) -> None:
        """Raise Dismissed, too, where the job is no longer in this state; asks the database."""
        self.check()
        with self.place.sessions() as session:
            found = job_state(session, str(self.lease.key[0]))
        if found != state:
            raise Dismissed(f"job {self.lease.key[0]} is {found or 'gone'}, no longer {state}")
