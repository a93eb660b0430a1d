from __future__ import annotations

from collections.abc import Iterator

import pytest

from workers.database import Sessions, close_database, open_database, writing
from workers.errors import JobRefused, JobUnknown
from workers.jobs import create_job, dismiss_job, end_job, find_job, job_progress, job_state, list_jobs
from workers.records import JobRecord, JobState


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
        assert list_jobs(session, "another") == ([], 0)
        assert job_state(session, job.id) == JobState.ACCEPTED


def test_jobs_are_listed_in_pages_the_newest_first(sessions: Sessions) -> None:
    ids = [make(sessions).id for _ in range(5)]
    make(sessions, "another")
    with sessions() as session:
        first, total = list_jobs(session, "me", limit=3)
        rest, _ = list_jobs(session, "me", limit=3, offset=3)
        dismiss_job(session, "me", ids[2])
        over, count = list_jobs(session, "me", states=[JobState.DISMISSED])
    assert total == 5
    assert [job.id for job in (*first, *rest)] == ids[::-1]
    assert ([job.id for job in over], count) == ([ids[2]], 1)


@pytest.mark.parametrize(
    "inputs", [{}, {"model": 7}, {"model": "m", "aoi": "everywhere"}, {"model": "m", "start": 2020}]
)
def test_inputs_of_the_wrong_kind_are_refused(sessions: Sessions, inputs: dict[str, object]) -> None:
    with sessions() as session, pytest.raises(JobRefused, match="a job needs"):
        create_job(session, "me", inputs)


def test_a_job_that_is_over_stays_as_it_is(sessions: Sessions) -> None:
    job = make(sessions)
    with writing(sessions) as session:
        assert end_job(session, job.id, JobState.FAILED, "for a reason")
        assert not end_job(session, job.id, JobState.FAILED, "for another")
    with sessions() as session:
        found = dismiss_job(session, "me", job.id)
    assert (found.state, found.message) == (JobState.FAILED, "for a reason")
    assert found.finished is not None


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
