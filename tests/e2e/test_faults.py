"""Faults: workers and the whole service are killed in the middle of a job; its products are the same to the bit."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select

from models.registry import SHIPPED
from tests.conftest import free_port, small_settings, wait_for
from tests.workers.places import FIRST, again, ask, upload, workplace
from workers.dispatch import send
from workers.jobs import FINAL, dismiss_job, job_products
from workers.records import BlockRecord, JobRecord, JobState, SceneRecord, SceneState
from workers.settings import Settings
from workers.workplace import Workplace

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

KILLS = 10
DATES = 4
JOB_S = 400.0


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment of a process with these settings."""
    given = settings.model_dump(include=settings.model_fields_set)
    return {**os.environ, **{f"CHRONOSEG_{name.upper()}": str(value) for name, value in given.items()}}


@contextmanager
def worker(settings: Settings, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker for both queues; at the end of the body it is killed, with all that it started."""
    command = [sys.executable, "-m", "service.cli.main", "worker", "--queues", "gpu,io"]
    with log.open("ab") as output:
        process = subprocess.Popen(command, env=environment(settings), stdout=output, stderr=output)
    try:
        yield process
    finally:
        kill_tree(process)


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and its descendants, at once and without a chance to tidy up."""
    try:
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    except psutil.NoSuchProcess:
        family = []
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait(30)


def start_job(place: Workplace) -> str:
    """Ask for the job over the whole series and send it."""
    last = FIRST + timedelta(days=10 * DATES)
    job = ask(place, start="2020-08-01", end=last.date().isoformat(), simplify_px=1.0)
    send(place.celery, "plan_job", job.id)
    return job.id


def is_over(place: Workplace, job_id: str) -> bool:
    return again(place, JobRecord, job_id).state in FINAL


def hashes(place: Workplace, job_id: str) -> dict[str, str]:
    """Return the SHA-256 of every product of a successful job, of the bytes that lie in the store."""
    job = again(place, JobRecord, job_id)
    assert job.state == JobState.SUCCESSFUL, job.message
    with place.sessions() as session:
        told = {product.name: product.sha256 for product in job_products(session, job_id)}
    found = {name: hashlib.sha256(b"".join(place.store.read(f"masks/{job_id}/{name}"))).hexdigest() for name in told}
    assert found == told
    assert sorted(place.store.keys(f"masks/{job_id}/")) == sorted(f"masks/{job_id}/{name}" for name in told)
    return found


def is_clean(place: Workplace, job_id: str) -> bool:
    """Tell whether a job's block files are gone."""
    return not leftovers(place, job_id)


def count(log: Path, words: str) -> int:
    """Return how often a log says something."""
    return log.read_text().count(words)


def said(log: Path, words: str, times: int) -> bool:
    """Tell whether a log says something so many times by now."""
    return count(log, words) >= times


def leftovers(place: Workplace, job_id: str) -> list[str]:
    return list(place.store.keys(f"jobs/{job_id}/"))


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory, redis_port: int) -> Settings:
    """Settings of a service that has read the series; its worker is not running."""
    folder = tmp_path_factory.mktemp("faults")
    shutil.copytree(SHIPPED / "burned-area", folder / "models" / "burned-area")
    settings = small_settings(folder / "data", f"redis://127.0.0.1:{redis_port}/1", models_dir=folder / "models")
    with workplace(settings) as place, worker(settings, folder / "log"):
        scenes = [upload(place, folder, number) for number in range(DATES)]
        for scene in scenes:
            send(place.celery, "ingest_scene", scene.id)
        wait_for(
            lambda: all(again(place, SceneRecord, scene.id).state == SceneState.READY for scene in scenes),
            f"the scenes are read; log: {folder / 'log'}",
            JOB_S,
        )
    return settings


@pytest.fixture(scope="module")
def undisturbed(series: Settings) -> dict[str, str]:
    """Hashes of the products of a job that nothing happened to."""
    with workplace(series) as place, worker(series, series.data_dir.parent / "log"):
        job = start_job(place)
        wait_for(lambda: is_over(place, job), "the undisturbed job ends", JOB_S)
        found = hashes(place, job)
    assert {"change_date.tif", "polygons.geojson", "areas.csv"} <= set(found)
    return found


def test_a_worker_is_killed_ten_times_in_a_job(series: Settings, undisturbed: dict[str, str]) -> None:
    chance, log, kills = random.Random(7), series.data_dir.parent / "log", 0  # noqa: S311
    with workplace(series) as place:
        job = start_job(place)
        before = count(log, "abandoned work put back")
        while kills < KILLS:
            up = count(log, "worker ready") + 1
            with worker(series, log):
                wait_for(partial(said, log, "worker ready", up), f"the worker is up; log: {log}")
                time.sleep(chance.uniform(0.0, 3.0))
                if is_over(place, job):  # a fast machine: another job takes the remaining kills
                    assert hashes(place, job) == undisturbed
                    job = start_job(place)
            kills += 1
        with worker(series, log):
            wait_for(lambda: is_over(place, job), "the disturbed job ends", JOB_S)
            assert hashes(place, job) == undisturbed
            wait_for(partial(is_clean, place, job), "block files are removed")
            assert count(log, "abandoned work put back") > before, "no kill met work under way"
            wait_for(
                lambda: len(list(series.scratch.glob("worker-*"))) == 2, "scratch of the killed workers is removed"
            )


def test_the_whole_service_is_killed_and_started_again(series: Settings, undisturbed: dict[str, str]) -> None:
    chance, port = random.Random(8), free_port()  # noqa: S311
    command = [sys.executable, "-m", "service.cli.main", "serve", "--port", str(port)]
    given = {name: value for name, value in environment(series).items() if name != "CHRONOSEG_BROKER_URL"}
    log = series.data_dir.parent / "serve-log"
    with workplace(series) as place:
        job = start_job(place)  # its message goes to a Redis that the service does not know: as good as lost
        for number in range(4):
            with log.open("ab") as output:
                serve = subprocess.Popen(command, env=given, stdout=output, stderr=output)
            try:
                wait_for(partial(said, log, "ready at", number + 1), f"the service is up; log: {log}")
                if number < 3:
                    time.sleep(chance.uniform(0.5, 5.0))
                    if is_over(place, job):  # a fast machine: another job takes the remaining kills
                        assert hashes(place, job) == undisturbed
                        job = start_job(place)
                else:
                    wait_for(partial(is_over, place, job), f"the disturbed job ends; log: {log}", JOB_S)
                    assert hashes(place, job) == undisturbed
                    wait_for(partial(is_clean, place, job), "block files are removed")
                    serve.send_signal(signal.SIGTERM)
                    assert serve.wait(30) == 0
            finally:
                kill_tree(serve)


def test_a_dismissed_job_stops_and_leaves_no_files(series: Settings) -> None:
    with workplace(series) as place, worker(series, series.data_dir.parent / "log"):
        job = start_job(place)
        wait_for(lambda: again(place, JobRecord, job).blocks_done >= 1, "the first block is done", JOB_S)
        with place.sessions() as session:
            assert dismiss_job(session, "", job).state == JobState.DISMISSED
        wait_for(lambda: again(place, JobRecord, job).cleaned, "the job is cleaned")
        time.sleep(1.0)
        assert [*leftovers(place, job), *place.store.keys(f"masks/{job}/")] == []
        other = [path for path in series.scratch.glob("worker-*/*") if path.name != ".lock"]
        assert other == []
        assert again(place, JobRecord, job).blocks_done < again(place, JobRecord, job).blocks_total


def test_a_worker_that_is_told_to_end_gives_its_work_back_at_once(series: Settings) -> None:
    log = series.data_dir.parent / "log"
    with workplace(series) as place:
        with worker(series, log) as process:
            job = start_job(place)
            wait_for(lambda: held(place, job) == [0], "a block is under way", JOB_S)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        assert held(place, job) == []
        with place.sessions() as session:
            blocks = list(session.scalars(select(BlockRecord).where(BlockRecord.job_id == job)))
            assert {block.attempts for block in blocks} == {0}
            dismiss_job(session, "", job)
        assert again(place, JobRecord, job).state == JobState.DISMISSED


def held(place: Workplace, job_id: str) -> list[int]:
    """Return the attempts before this one of the blocks that somebody holds."""
    with place.sessions() as session:
        found = select(BlockRecord.attempts).where(BlockRecord.job_id == job_id, BlockRecord.lease_token != "")
        return [attempts - 1 for attempts in session.scalars(found)]
