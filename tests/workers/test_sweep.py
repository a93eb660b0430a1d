from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from sqlalchemy import update

from tests.conftest import free_port, wait_for
from tests.workers.places import again, ask, messages, workplace
from workers.database import writing
from workers.dispatch import queued, send
from workers.kinds import SEGMENT
from workers.leases import claim
from workers.records import BlockRecord, JobRecord, JobState
from workers.settings import Settings
from workers.sweep import send_again, sweep
from workers.workplace import Workplace

BLOCKS = 4


@pytest.fixture
def place(settings: Settings) -> Iterator[Workplace]:
    with workplace(settings) as made:
        yield made


@pytest.fixture
def job(place: Workplace) -> str:
    """A job in segmentation, all of whose blocks were sent just now."""
    made = ask(place)
    with writing(place.sessions) as session:
        held = session.get_one(JobRecord, made.id)
        held.state, held.blocks_total = JobState.SEGMENTING, BLOCKS
        session.add_all(BlockRecord(job_id=made.id, index=index, sent_at=time.time()) for index in range(BLOCKS))
    for index in range(BLOCKS):
        assert send(place.celery, "segment_block", made.id, index)
    return made.id


def sent_long_ago(place: Workplace, *indices: int) -> None:
    with writing(place.sessions) as session:
        session.execute(update(BlockRecord).where(BlockRecord.index.in_(indices)).values(sent_at=time.time() - 3600))


def test_what_is_queued_is_not_sent_again(place: Workplace, job: str) -> None:
    sent_long_ago(place, *range(BLOCKS))
    for _ in range(3):
        assert send_again(place, "gpu") == 0
    assert messages(place)["gpu"] == BLOCKS


def test_after_redis_was_wiped_everything_is_sent_again_once(place: Workplace, job: str, redis_url: str) -> None:
    sent_long_ago(place, *range(BLOCKS))
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    client.close()
    sweep(place)
    assert messages(place)["gpu"] == BLOCKS
    sweep(place)
    assert messages(place)["gpu"] == BLOCKS


def test_single_messages_that_got_lost_are_sent_again(place: Workplace, job: str, redis_url: str) -> None:
    sent_long_ago(place, 1)
    client = redis.Redis.from_url(redis_url)
    client.rpop("gpu")
    client.close()
    assert send_again(place, "gpu") == 1
    assert messages(place)["gpu"] == BLOCKS
    assert again(place, BlockRecord, job, 1).sent_at == pytest.approx(time.time(), abs=30)


def test_a_job_that_was_never_sent_is_sent(place: Workplace) -> None:
    made = ask(place)
    assert messages(place)["io"] == 0
    with writing(place.sessions) as session:
        session.execute(update(JobRecord).values(sent_at=time.time() - 60))
    sweep(place)
    assert messages(place)["io"] == 1
    assert again(place, JobRecord, made.id).state == JobState.ACCEPTED


def test_abandoned_work_is_sent_again_at_once(place: Workplace, job: str) -> None:
    with writing(place.sessions) as session:
        assert claim(session, SEGMENT, (job, 0), lease_s=0.05, most_attempts=10)
        assert claim(session, SEGMENT, (job, 1), lease_s=60, most_attempts=10)
    time.sleep(0.1)
    sweep(place)
    assert messages(place)["gpu"] == BLOCKS + 1
    freed, held = again(place, BlockRecord, job, 0), again(place, BlockRecord, job, 1)
    assert (freed.lease_token, freed.attempts) == ("", 1)
    assert held.lease_token


def test_what_is_abandoned_again_and_again_fails(place: Workplace, job: str) -> None:
    for turn in range(place.settings.max_attempts + 1):
        assert again(place, JobRecord, job).state == JobState.SEGMENTING, turn
        with writing(place.sessions) as session:
            assert claim(session, SEGMENT, (job, 2), lease_s=0.01, most_attempts=place.settings.max_attempts)
        time.sleep(0.02)
        sweep(place)
    found = again(place, JobRecord, job)
    assert found.state == JobState.FAILED
    assert "was begun 11 times" in found.message
    assert found.cleaned


def test_a_job_that_failed_is_cleaned_once_nobody_works_on_it(place: Workplace, job: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    place.store.put(tmp_path / "a", f"jobs/{job}/blocks/000000/masks.tif")
    with writing(place.sessions) as session:
        assert claim(session, SEGMENT, (job, 1), lease_s=60, most_attempts=10)
        session.get_one(JobRecord, job).state = JobState.FAILED
    sweep(place)
    assert list(place.store.keys("jobs/"))
    with writing(place.sessions) as session:
        session.get_one(BlockRecord, (job, 1)).lease_until = time.time() - 1
    sweep(place)
    assert list(place.store.keys("jobs/")) == []


def test_without_a_broker_sending_says_so_soon_and_the_job_waits(settings: Settings) -> None:
    broken = settings.model_copy(update={"broker_url": f"redis://127.0.0.1:{free_port()}/0"})
    with workplace(broken) as place:
        made = ask(place)
        begun = time.monotonic()
        assert not send(place.celery, "plan_job", made.id)
        assert time.monotonic() - begun < 10
        assert again(place, JobRecord, made.id).state == JobState.ACCEPTED


def test_scratch_of_dead_workers_is_removed_and_of_living_ones_kept(place: Workplace) -> None:
    script = (
        "import sys, time; from pathlib import Path; from workers.scratch import own_scratch\n"
        "with own_scratch(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'big').write_text('x'); print(flush=True); time.sleep(600)\n"
    )
    root = place.settings.scratch
    other = subprocess.Popen([sys.executable, "-c", script, str(root)], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        other.stdout.readline()
        sweep(place)
        assert len(list(root.iterdir())) == 2
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        sweep(place)
        assert list(root.iterdir()) == [place.scratch]
    finally:
        other.kill()
        other.communicate()


def test_a_worker_sends_and_works_across_a_wiped_redis(settings: Settings, job: str, redis_url: str) -> None:
    """A worker process drops messages of blocks that it cannot do, and lives on when Redis is wiped under it."""
    env = {**os.environ, "CHRONOSEG_DATA_DIR": str(settings.data_dir), "CHRONOSEG_BROKER_URL": redis_url}
    worker = subprocess.Popen(
        [sys.executable, "-m", "workers.main", "gpu"],
        env=env | {"CHRONOSEG_SWEEP_S": "0.2", "CHRONOSEG_LEASE_S": "2"},
        stderr=subprocess.DEVNULL,
    )
    try:
        with workplace(settings) as place:
            wait_for(lambda: again(place, JobRecord, job).state == JobState.FAILED, "the worker does the first job")
            client = redis.Redis.from_url(redis_url)
            client.flushall()
            client.close()
            for number in range(3):
                send(place.celery, "segment_block", "unheard-of", number)
            wait_for(lambda: queued(place.celery, "gpu") == 0, "the worker takes messages after Redis was wiped")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
    finally:
        worker.kill()
        worker.wait()
