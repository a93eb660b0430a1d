from __future__ import annotations

import multiprocessing
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select, text

from workers.database import Sessions, close_database, epoch, migrate, open_database, writing
from workers.errors import Dismissed, LeaseLost
from workers.jobs import dismiss_job
from workers.kinds import ASSEMBLE, PLAN, SEGMENT, Kind
from workers.leases import Lease, claim, finish, release, renew, renewing
from workers.records import BlockRecord, BlockState, JobRecord, JobState, Record


@pytest.fixture
def sessions(database_url: str) -> Iterator[Sessions]:
    made = open_database(database_url)
    with writing(made) as session:
        session.add(JobRecord(id="job", inputs={}, state=JobState.SEGMENTING, blocks_total=3))
        session.flush()
        session.add_all(BlockRecord(job_id="job", index=index) for index in range(3))
    yield made
    close_database(made)


def take(sessions: Sessions, index: int = 0, lease_s: float = 60.0) -> Lease | None:
    with writing(sessions) as session:
        return claim(session, SEGMENT, ("job", index), lease_s=lease_s, most_attempts=5)


def block(sessions: Sessions, index: int = 0) -> BlockRecord:
    with sessions() as session:
        return session.get_one(BlockRecord, ("job", index))


def test_one_at_a_time(sessions: Sessions) -> None:
    lease = take(sessions)
    assert lease is not None
    assert take(sessions) is None
    assert take(sessions, 1) is not None
    with writing(sessions) as session:
        finish(session, lease, state=BlockState.DONE)
    assert take(sessions) is None
    assert block(sessions).state == BlockState.DONE
    assert block(sessions).attempts == 0


def test_of_many_only_one_gets_it(sessions: Sessions) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: take(sessions), range(24)))
    assert sum(lease is not None for lease in found) == 1
    assert block(sessions).attempts == 1


def _claim_in_process(url: str) -> int:
    sessions = open_database(url)
    taken = sum(take(sessions, index) is not None for index in (0, 1, 2) * 5)
    close_database(sessions)
    return taken


def test_of_many_processes_only_one_gets_it(database_url: str, sessions: Sessions) -> None:
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as processes:
        assert sum(processes.map(_claim_in_process, [database_url] * 4)) == 3


def test_an_expired_lease_is_taken_over_and_its_holder_finds_out(sessions: Sessions) -> None:
    first = take(sessions, lease_s=0.05)
    assert first is not None
    time.sleep(0.1)
    second = take(sessions)
    assert second is not None
    with writing(sessions) as session:
        with pytest.raises(LeaseLost):
            renew(session, first, 60)
        with pytest.raises(LeaseLost):
            release(session, first)
        with pytest.raises(LeaseLost):
            finish(session, first, state=BlockState.DONE)
    with writing(sessions) as session:
        finish(session, second, state=BlockState.DONE)


def test_a_renewed_lease_lasts(sessions: Sessions) -> None:
    lease = take(sessions, lease_s=3.0)
    assert lease is not None
    with renewing(sessions, lease, 3.0) as lost:
        time.sleep(4.0)
        assert take(sessions) is None
        assert not lost.is_set()
    time.sleep(3.1)
    assert take(sessions) is not None


def test_a_lost_lease_is_told(sessions: Sessions) -> None:
    lease = take(sessions, lease_s=0.3)
    assert lease is not None
    with renewing(sessions, lease, 0.3) as lost:
        with writing(sessions) as session:
            session.get_one(BlockRecord, ("job", 0)).lease_token = "another's"
        assert lost.wait(5)


def test_release_counts_only_what_was_abandoned(sessions: Sessions) -> None:
    for abandoned, expected in ((False, 0), (True, 1), (True, 2), (False, 2)):
        lease = take(sessions)
        assert lease is not None
        with writing(sessions) as session:
            release(session, lease, abandoned=abandoned)
        assert block(sessions).attempts == expected


def test_what_was_abandoned_too_often_is_not_taken(sessions: Sessions) -> None:
    with writing(sessions) as session:
        session.get_one(BlockRecord, ("job", 0)).attempts = 6
    assert take(sessions) is None


def test_no_work_is_taken_from_a_job_that_is_over(sessions: Sessions) -> None:
    lease = take(sessions)
    assert lease is not None
    with sessions() as session:
        assert dismiss_job(session, "", "job").state == JobState.DISMISSED
    assert take(sessions, 1) is None
    with pytest.raises(Dismissed), writing(sessions) as session:
        finish(session, lease, state=BlockState.DONE)
    assert block(sessions).state == BlockState.WAITING


@pytest.mark.parametrize("kind", [PLAN, ASSEMBLE])
def test_work_is_taken_in_its_own_state_only(sessions: Sessions, kind: Kind) -> None:
    with writing(sessions) as session:
        assert claim(session, kind, ("job",), lease_s=60, most_attempts=5) is None
        assert claim(session, kind, ("no such job",), lease_s=60, most_attempts=5) is None


def test_the_databases_clock_is_the_time(sessions: Sessions) -> None:
    with sessions() as session:
        assert session.scalar(select(epoch())) == pytest.approx(time.time(), abs=5)


def test_times_come_back_with_their_zone(sessions: Sessions) -> None:
    with sessions() as session:
        created = session.get_one(JobRecord, "job").created
    assert created.utcoffset() is not None
    assert created.timestamp() == pytest.approx(time.time(), abs=60)


def test_the_migrations_make_what_the_records_say(sessions: Sessions) -> None:
    for module in ("callback_secrets", "idempotency", "items", "keys", "records", "subscribers", "uploads"):
        import_module(f"workers.{module}")  # each has tables, whichever other tests have imported
    with sessions() as session:
        by_hand = "items_boxes"  # the spatial index, which no table of SQLAlchemy's describes
        options = {"compare_type": True, "include_name": lambda name, *_: not str(name).startswith(by_hand)}
        context = MigrationContext.configure(session.connection(), opts=options)
        assert compare_metadata(context, Record.metadata) == []


def test_several_may_migrate_at_once(empty_database_url: str) -> None:
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as processes:
        list(processes.map(migrate, [empty_database_url] * 3))
    sessions = open_database(empty_database_url)
    with sessions() as session:
        assert session.scalars(select(JobRecord)).all() == []
    close_database(sessions)


def test_a_new_file_that_another_process_writes_to_is_waited_for(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "new.db", isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE first (n)")
    other.execute("BEGIN IMMEDIATE")  # before any WAL: SQLite itself refuses at once, whatever the busy timeout
    committing = threading.Timer(0.3, other.execute, ["COMMIT"])
    committing.start()
    sessions = open_database(f"sqlite:///{tmp_path / 'new.db'}")
    with sessions() as session:
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
    committing.join()
    close_database(sessions)
    other.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://x/y"])
def test_databases_that_cannot_be_shared_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        open_database(url)
