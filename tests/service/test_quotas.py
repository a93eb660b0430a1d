"""Quotas: requests in a minute, over several processes and without Redis; jobs at once."""

from __future__ import annotations

import time
from contextlib import suppress

import httpx
import pytest

from service.app import create_app
from service.context import Context
from service.errors import RateExceeded
from service.rate import WINDOW_S, RequestRate
from tests.service.conftest import NO_BROKER, serving
from tests.service.records import add_job
from workers.database import writing
from workers.keys import create_key
from workers.records import JobRecord, JobState
from workers.settings import Settings


def wait_for_a_fresh_minute() -> None:
    """Counting must not begin just before its window ends."""
    left = WINDOW_S - time.time() % WINDOW_S
    if left < 10:
        time.sleep(left + 0.1)


def spend(rates: list[RequestRate], owner: str, times: int) -> int:
    """Return how many requests got through, sent to the processes in turn."""
    through = 0
    for number in range(times):
        with suppress(RateExceeded):
            rates[number % len(rates)].spend(owner)
            through += 1
    return through


def test_processes_count_together(redis_port: int) -> None:
    wait_for_a_fresh_minute()
    settings = Settings(broker_url=f"redis://127.0.0.1:{redis_port}/9", requests_per_minute=7)
    rates = [RequestRate(settings), RequestRate(settings)]
    owner = f"owner-{time.time_ns()}"
    assert spend(rates, owner, 20) == 7
    assert spend(rates, owner + "-other", 3) == 3


def test_without_redis_each_counts_for_itself() -> None:
    wait_for_a_fresh_minute()
    settings = Settings(broker_url=NO_BROKER, requests_per_minute=7)
    assert spend([RequestRate(settings), RequestRate(settings)], "ana", 40) == 14
    assert spend([RequestRate(settings.model_copy(update={"requests_per_minute": 0}))], "ana", 40) == 40


def test_too_many_requests_are_told_when_to_go_on(service_settings: Settings) -> None:
    wait_for_a_fresh_minute()
    app = create_app(service_settings.model_copy(update={"requests_per_minute": 3}))
    parts: Context = app.state.context
    with writing(parts.sessions) as session:
        keys = {owner: create_key(session, owner, ["read"])[1] for owner in ("ana", "ben")}
    with serving(app) as url, httpx.Client(base_url=url, trust_env=False) as http:
        answers = [http.get("/jobs", headers={"X-API-Key": keys["ana"]}) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= WINDOW_S + 1
        assert answers[-1].json()["title"] == "Too many requests"
        assert http.get("/jobs", headers={"X-API-Key": keys["ben"]}).status_code == 200
        assert http.get("/health").status_code == 200  # what watches the service is not counted


@pytest.mark.parametrize("state", [JobState.ACCEPTED, JobState.SEGMENTING, JobState.ASSEMBLING])
def test_jobs_at_once(service_settings: Settings, state: JobState) -> None:
    app = create_app(service_settings.model_copy(update={"jobs_at_once": 2}))
    parts: Context = app.state.context
    square = {"type": "Polygon", "coordinates": [[[10, 50], [10.01, 50], [10.01, 50.01], [10, 50.01], [10, 50]]]}
    body = {"inputs": {"model": "burned-area", "aoi": square}}
    add_job(parts, state, "one")
    add_job(parts, JobState.SUCCESSFUL, "done")
    with writing(parts.sessions) as session:
        session.add(JobRecord(id="bens", owner="ben", inputs={}))
    with serving(app) as url, httpx.Client(base_url=url, trust_env=False) as http:
        assert http.post("/processes/segment/execution", json=body).status_code == 201
        refused = http.post("/processes/segment/execution", json=body)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
        assert "2 of your jobs are under way" in refused.json()["detail"]
        assert http.delete("/jobs/one").status_code == 200
        assert http.post("/processes/segment/execution", json=body).status_code == 201
