"""Executions that are sent twice: one job for one key, on each kind of database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, update

from service.app import create_app
from service.context import Context
from tests.service.test_jobs import EXECUTE, INPUTS
from workers.database import close_database, migrate, writing
from workers.errors import IdempotencyKeyReused
from workers.idempotency import KEPT_S, IdempotencyRecord, Once, forget_old_keys
from workers.jobs import create_job
from workers.keys import create_key
from workers.records import JobRecord
from workers.settings import Settings
from workers.terms import Terms

BODY = json.dumps({"inputs": INPUTS})
OTHER = json.dumps({"inputs": {**INPUTS, "period": "2021-07-01/.."}})


@pytest.fixture(params=["sqlite", "postgres"])
def app(request: pytest.FixtureRequest, service_settings: Settings) -> Iterator[FastAPI]:
    settings = service_settings
    if request.param == "postgres":
        settings = settings.model_copy(update={"database_url": request.getfixturevalue("postgres_url")})
        migrate(settings.database)
    made = create_app(settings)
    yield made
    close_database(made.state.context.sessions)


def send(http: httpx.Client, key: str | bytes | None, body: str = BODY, **headers: str) -> httpx.Response:
    named = {"Content-Type": "application/json", **headers, **({} if key is None else {"Idempotency-Key": key})}
    raw = {name.encode(): value if isinstance(value, bytes) else value.encode() for name, value in named.items()}
    return http.post(EXECUTE, content=body, headers=raw)


def jobs(parts: Context) -> int:
    with parts.sessions() as session:
        return session.scalar(select(func.count()).select_from(JobRecord)) or 0


def test_the_same_request_again_is_the_same_job_as_it_is_now(http: httpx.Client, parts: Context) -> None:
    first = send(http, "one")
    http.delete(first.headers["location"])
    again = send(http, "one")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["location"] == first.headers["location"]
    assert (first.json()["status"], again.json()["status"]) == ("accepted", "dismissed")
    assert send(http, '"one"').headers["location"] == first.headers["location"]  # as the draft writes it
    assert jobs(parts) == 1


def test_without_a_key_or_with_another_it_is_another_job(http: httpx.Client, parts: Context) -> None:
    sent = [send(http, key) for key in (None, None, "one", "two")]
    assert len({answer.headers["location"] for answer in sent}) == jobs(parts) == 4


def test_another_body_under_the_key_is_refused(http: httpx.Client, parts: Context) -> None:
    first = send(http, "one")
    refused = send(http, "one", OTHER)
    assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
    assert refused.json()["type"].endswith("idempotency-key-reused")
    assert first.json()["jobID"] in refused.json()["detail"]
    assert jobs(parts) == 1


def test_what_was_refused_keeps_no_key(http: httpx.Client) -> None:
    assert send(http, "one", json.dumps({"inputs": {**INPUTS, "model": "lava"}})).status_code == 422
    assert send(http, "one").status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\tbed", "Schlüssel".encode()])
def test_keys_that_are_none(http: httpx.Client, parts: Context, key: str | bytes) -> None:
    refused = send(http, key)
    assert (refused.status_code, refused.json()["type"].rsplit(":", 1)[-1]) == (400, "body-malformed")
    assert "1 to 255 printable" in refused.json()["detail"]
    assert jobs(parts) == 0
    assert send(http, "x" * 255).status_code == 201


def test_keys_are_their_owners(http: httpx.Client, parts: Context) -> None:
    with writing(parts.sessions) as session:
        owners = {owner: create_key(session, owner, ["write"])[1] for owner in ("ana", "ben")}
    made = {owner: send(http, "one", **{"X-API-Key": key}) for owner, key in owners.items()}
    assert {answer.status_code for answer in made.values()} == {201}
    assert made["ana"].json()["jobID"] != made["ben"].json()["jobID"]


def test_after_a_day_the_key_is_as_good_as_new(http: httpx.Client, parts: Context) -> None:
    first = send(http, "one")
    with writing(parts.sessions) as session:
        forget_old_keys(session)
        session.execute(update(IdempotencyRecord).values(created=IdempotencyRecord.created - KEPT_S + 60))
    assert send(http, "one").json()["jobID"] == first.json()["jobID"]
    with writing(parts.sessions) as session:
        session.execute(update(IdempotencyRecord).values(created=IdempotencyRecord.created - 61))
    second = send(http, "one", OTHER)
    assert second.status_code == 201
    assert second.json()["jobID"] != first.json()["jobID"]
    with writing(parts.sessions) as session:
        session.execute(update(IdempotencyRecord).values(created=IdempotencyRecord.created - KEPT_S))
        forget_old_keys(session)
        assert session.scalars(select(IdempotencyRecord)).all() == []
    assert jobs(parts) == 2


def test_at_once_they_are_one_job(http: httpx.Client, url: str, parts: Context) -> None:
    count, rounds = 6, 5
    barrier = Barrier(count)

    def race(number: int) -> list[httpx.Response]:
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
            answers = []
            for turn in range(rounds):
                barrier.wait(20)
                answers.append(send(client, f"turn-{turn}", OTHER if number == 0 else BODY))
            return answers

    with ThreadPoolExecutor(count) as threads:
        turns = list(zip(*threads.map(race, range(count)), strict=True))
    for answers in turns:
        other, *same = answers
        assert {answer.status_code for answer in same} <= {201, 422}
        assert len({answer.headers["location"] for answer in answers if answer.status_code == 201}) == 1
        assert {answer.status_code for answer in same} == ({422} if other.status_code == 201 else {201})
    assert jobs(parts) == rounds


def test_two_transactions_at_once_are_one_job(parts: Context) -> None:
    """Both have seen that the key is free before either writes: the harder order, that threads seldom meet."""
    from workers.idempotency import keep_key

    once = Once("one", "a" * 64)
    if parts.sessions.kw["bind"].dialect.name == "sqlite":
        pytest.skip("SQLite lets one write at a time: the second sees the first's key")
    with parts.sessions() as quick, ThreadPoolExecutor(1) as thread:
        quick.add(JobRecord(id="first", owner="", inputs={"model": "m"}))
        quick.flush()
        keep_key(quick, "", once, "first")

        def slow() -> str:
            with writing(parts.sessions) as session:
                return create_job(session, "", {"model": "m"}, Terms(once)).id

        second = thread.submit(slow)
        with pytest.raises(TimeoutError):
            second.result(1)  # it waits to see how the first ends
        quick.commit()
        assert second.result(20) == "first"
    assert jobs(parts) == 1
    with writing(parts.sessions) as session, pytest.raises(IdempotencyKeyReused):
        create_job(session, "", {"model": "m"}, Terms(Once("one", "b" * 64)))
