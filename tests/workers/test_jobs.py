from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from workers.cleaning import clean_all
from workers.database import Sessions, close_database, open_database, writing
from workers.errors import JobRefused, JobsAtOnce, JobUnknown
from workers.jobs import create_job, dismiss_job, end_job, find_job, job_products, job_progress, job_state
from workers.local_store import LocalStore
from workers.records import JobRecord, JobState, ProductRecord
from workers.terms import Limits


@pytest.fixture
def sessions(database_url: str) -> Iterator[Sessions]:
    made = open_database(database_url)
    yield made
    close_database(made)


def make(sessions: Sessions, owner: str = "me") -> JobRecord:
    with sessions() as session:
        return create_job(session, owner, {"model": "burned-area", "start": "2020-01-01"})


def test_a_job_is_its_owners_alone(sessions: Sessions) -> None:
    job = make(sessions)
    with sessions() as session:
        assert find_job(session, "me", job.id).inputs == {"model": "burned-area", "start": "2020-01-01"}
        for act in (find_job, job_progress, dismiss_job):
            with pytest.raises(JobUnknown):
                act(session, "another", job.id)
            with pytest.raises(JobUnknown):
                act(session, "me", "unheard-of")
        assert job_state(session, job.id) == JobState.ACCEPTED


@pytest.mark.parametrize(
    "inputs", [{}, {"model": 7}, {"model": "m", "aoi": "everywhere"}, {"model": "m", "start": 2020}]
)
def test_inputs_of_the_wrong_kind_are_refused(sessions: Sessions, inputs: dict[str, object]) -> None:
    with sessions() as session, pytest.raises(JobRefused, match="a job needs"):
        create_job(session, "me", inputs)


def test_no_more_jobs_than_may_be_even_at_the_same_moment(sessions: Sessions) -> None:
    start = threading.Barrier(6)

    def ask(owner: str) -> bool:
        start.wait(30)
        with writing(sessions) as session:
            try:
                create_job(session, owner, {"model": "m"}, limits=Limits(at_once=2))
            except JobsAtOnce:
                return False
        return True

    for round_ in range(5):
        mine, theirs = f"me{round_}", f"she{round_}"
        with ThreadPoolExecutor(6) as pool:
            taken = list(pool.map(ask, [mine, mine, mine, mine, theirs, theirs]))
        assert (sum(taken[:4]), sum(taken[4:])) == (2, 2)


def test_a_job_ends_once(sessions: Sessions) -> None:
    job = make(sessions)
    with writing(sessions) as session:
        assert end_job(session, job.id, JobState.FAILED, "for a reason")
        assert not end_job(session, job.id, JobState.FAILED, "for another")
    with sessions() as session:
        found = find_job(session, "me", job.id)
    assert (found.state, found.message) == (JobState.FAILED, "for a reason")
    assert found.finished is not None


def test_dismissing_a_job_that_is_over_removes_its_results(sessions: Sessions, tmp_path: Path) -> None:
    job, store = make(sessions), LocalStore(tmp_path / "store")
    (tmp_path / "areas.csv").write_text("label\n")
    store.put(tmp_path / "areas.csv", f"masks/{job.id}/areas.csv")
    with writing(sessions) as session:
        end_job(session, job.id, JobState.SUCCESSFUL, "done")
        session.add(ProductRecord(job_id=job.id, name="areas.csv", media_type="text/csv", size=6, sha256="0", title=""))
    clean_all(sessions, store)
    assert list(store.keys("masks/")) == [f"masks/{job.id}/areas.csv"]
    with sessions() as session:
        for _ in range(2):
            assert dismiss_job(session, "me", job.id).state == JobState.DISMISSED
        assert job_products(session, job.id) == []
    clean_all(sessions, store)
    assert list(store.keys("masks/")) == []


def test_progress_is_fresh_in_a_session_that_has_seen_the_job(sessions: Sessions) -> None:
    job = make(sessions)
    with sessions() as session:
        assert job_progress(session, "me", job.id).percent == 0
        session.commit()
        with writing(sessions) as other:
            held = other.get_one(JobRecord, job.id)
            held.state, held.blocks_total, held.blocks_done = JobState.SEGMENTING, 4, 2
        progress = job_progress(session, "me", job.id)
    assert (progress.state, progress.percent, progress.blocks_done, progress.blocks_total) == ("segmenting", 47, 2, 4)
