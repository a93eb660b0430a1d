from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from service.context import Context
from workers.database import writing
from workers.records import JobRecord, JobState, now
from workers.time_left import USUAL_SHARE, pace_of, usual_share


def _job(id_: str = "job", **values: object) -> JobRecord:
    return JobRecord(id=id_, owner="", inputs={"model": "burned-area@8"}, **values)


def test_what_is_left_is_what_the_blocks_done_so_far_tell() -> None:
    at = now()
    job = _job(
        state=JobState.SEGMENTING, blocks_total=10, blocks_done=4, started=at - timedelta(seconds=50),
        updated=at - timedelta(seconds=10),
    )  # fmt: skip
    pace = pace_of(job, 0.5, at)
    assert pace.blocks_per_minute == pytest.approx(6)
    assert pace.seconds_left == pytest.approx(6 * 10 - 10 + 0.5 * 100)


def test_the_first_block_tells_little_of_the_others() -> None:
    at = now()
    job = _job(
        state=JobState.SEGMENTING, blocks_total=10, blocks_done=5, started=at - timedelta(seconds=100),
        first_block=at - timedelta(seconds=20), updated=at,
    )  # fmt: skip
    pace = pace_of(job, 0.5, at)
    assert pace.blocks_per_minute == pytest.approx(12)
    assert pace.seconds_left == pytest.approx(5 * 5 + 0.5 * (80 + 9 * 5))


def test_a_block_that_takes_long_leaves_some_of_its_time() -> None:
    at = now()
    job = _job(
        state=JobState.SEGMENTING, blocks_total=3, blocks_done=2, started=at - timedelta(seconds=510),
        first_block=at - timedelta(seconds=500), updated=at - timedelta(seconds=490),
    )  # fmt: skip
    assert pace_of(job, 0.0, at).seconds_left == pytest.approx(2.5)


def test_assembling_takes_its_usual_share() -> None:
    at = now()
    job = _job(
        state=JobState.ASSEMBLING, blocks_total=2, blocks_done=2, started=at - timedelta(seconds=110),
        segmented=at - timedelta(seconds=10), updated=at,
    )  # fmt: skip
    assert pace_of(job, 0.2, at).seconds_left == pytest.approx(10)
    assert pace_of(job, 0.05, at).seconds_left == pytest.approx(1.25)


@pytest.mark.parametrize(("done", "total"), [(0, 2), (1, 2), (1, 9), (0, 1)])
def test_before_the_second_block_nothing_is_told(done: int, total: int) -> None:
    job = _job(state=JobState.SEGMENTING, blocks_total=total, blocks_done=done, started=now(), updated=now())
    pace = pace_of(job, 0.2, now())
    assert (pace.blocks_per_minute, pace.seconds_left) == (None, None)


def test_a_job_of_one_block_tells_how_long_assembling_takes() -> None:
    at = now()
    began = at - timedelta(seconds=50)
    job = _job(
        state=JobState.ASSEMBLING,
        blocks_total=1,
        blocks_done=1,
        started=began,
        first_block=at,
        segmented=at,
        updated=at,
    )
    assert pace_of(job, 0.2, at).seconds_left == pytest.approx(10)


def test_the_share_is_that_of_the_last_jobs(parts: Context) -> None:
    with parts.sessions() as session:
        assert usual_share(session) == USUAL_SHARE
    at = now()
    with writing(parts.sessions) as session:
        for number, seconds in enumerate((10, 20, 90)):
            session.add(
                _job(
                    f"job{number}", state=JobState.SUCCESSFUL, started=at - timedelta(seconds=100), segmented=at,
                    finished=at + timedelta(seconds=seconds),
                )
            )  # fmt: skip
        session.add(_job("older", state=JobState.SUCCESSFUL, started=at, finished=at))
    with parts.sessions() as session:
        assert usual_share(session) == pytest.approx(0.2)


def test_a_status_tells_counts_rate_and_time(url: str, parts: Context) -> None:
    at = now()
    with writing(parts.sessions) as session:
        session.add(
            _job(
                state=JobState.SEGMENTING,
                blocks_total=10,
                blocks_done=4,
                started=at - timedelta(seconds=40),
                updated=at,
            )
        )
    told = httpx.get(f"{url}/jobs/job").json()
    assert told["blocks"]["done"] == 4
    assert told["blocks"]["total"] == 10
    assert told["blocks"]["perMinute"] == pytest.approx(6, abs=0.1)
    assert told["secondsLeft"] == pytest.approx(60 + USUAL_SHARE * 100, abs=3)
    assert told["estimatedCompletion"] > told["updated"]
