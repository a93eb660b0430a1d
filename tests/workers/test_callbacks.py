"""Callbacks: told once each, signed, again and again while the receiver is away, and never to our own network."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from tests.receivers import Receiver, receiving
from tests.workers.places import workplace
from workers import courier
from workers.callback_secrets import renew_secret, secret_of
from workers.callbacks import WAITS_S, take_due
from workers.courier import deliver, deliver_until
from workers.database import epoch, writing
from workers.errors import AddressRefused
from workers.jobs import create_job, dismiss_job
from workers.records import JobRecord, JobState, ProductRecord
from workers.settings import Settings
from workers.subscribers import CallbackRecord, Event, Subscriber, callbacks_of, check_target
from workers.terms import Terms
from workers.workplace import Workplace

BASE = "https://maps.example/api"
ALL = {Event.SUCCESS: "/well", Event.FAILED: "/ill", Event.IN_PROGRESS: "/going"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def place(settings: Settings, receiver: Receiver) -> Iterator[Workplace]:
    with workplace(receiver.known_to(settings)) as made:
        yield made


def subscribed(place: Workplace, receiver: Receiver, events: dict[Event, str] = ALL, owner: str = "ana") -> str:
    """Start a job that calls back."""
    urls = {event: receiver.url(path) for event, path in events.items()}
    with writing(place.sessions) as session:
        return create_job(session, owner, {"model": "burned-area@8"}, Terms(subscriber=Subscriber(BASE, urls))).id


def become(place: Workplace, job_id: str, state: JobState, **values: Any) -> None:
    with writing(place.sessions) as session:
        job = session.get_one(JobRecord, job_id)
        for name, value in {"state": state, **values}.items():
            setattr(job, name, value)


def hurry(place: Workplace) -> None:
    """Let the pause after an attempt in vain be over."""
    with writing(place.sessions) as session:
        for record in session.scalars(select(CallbackRecord)):
            record.due = 0.0


def standing(place: Workplace, job_id: str) -> dict[str, dict[str, Any]]:
    with place.sessions() as session:
        return {one["event"]: one for one in callbacks_of(session, job_id)}


def paths(receiver: Receiver) -> list[str]:
    return [path for path, _, _ in receiver.got]


def signed_by(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Check a message as the standard says a receiver does."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mine = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    fresh = abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    return fresh and mine in headers["webhook-signature"].split()


def test_a_job_that_went_well_sends_its_results_once_and_signed(place: Workplace, receiver: Receiver) -> None:
    job = subscribed(place, receiver)
    assert deliver(place) == 0
    with writing(place.sessions) as session:
        session.add(ProductRecord(job_id=job, name="areas.csv", media_type="text/csv", title="t", size=3, sha256="0"))
    become(place, job, JobState.SUCCESSFUL)
    assert deliver(place) == 1
    ((path, headers, body),) = receiver.got
    assert (path, headers["content-type"], headers["chronoseg-event"]) == ("/well", "application/json", "success")
    assert headers["chronoseg-job"] == f"{BASE}/jobs/{job}"
    href = f"{BASE}/masks/{job}/areas.csv"
    assert json.loads(body) == {"areas.csv": {"href": href, "type": "text/csv", "title": "t"}}
    with writing(place.sessions) as session:
        assert signed_by(secret_of(session, "ana"), headers, body)
        assert not signed_by(secret_of(session, "ben"), headers, body)
    assert deliver(place) == 0
    assert {event: one["over"] for event, one in standing(place, job).items()} == dict.fromkeys(ALL, True)


def test_a_receiver_that_is_away_is_told_later_the_same_message(place: Workplace, receiver: Receiver) -> None:
    job = subscribed(place, receiver)
    become(place, job, JobState.SUCCESSFUL)
    receiver.answers = [500, 302, 404]
    for attempt, said in enumerate(("500", "302; a callback follows no redirect", "404"), start=1):
        assert deliver(place) == 1
        now = standing(place, job)["success"]
        assert (now["over"], now["attempts"], now["outcome"]) == (False, attempt, f"answered {said}")
        assert deliver(place) == 0
        hurry(place)
    assert deliver(place) == 1
    assert len(receiver.got) == 4
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1
    told = standing(place, job)["success"]
    assert (told["over"], told["attempts"], told["outcome"]) == (True, 4, "answered 200")


def test_pauses_grow_and_end_after_about_a_day(place: Workplace, receiver: Receiver) -> None:
    job = subscribed(place, receiver)
    become(place, job, JobState.FAILED)
    pauses = []
    for _ in WAITS_S:
        receiver.answers = [503]
        deliver(place)
        with place.sessions() as session:
            now = session.scalar(select(epoch()))
            due = session.scalar(select(CallbackRecord.due).where(CallbackRecord.event == "failed"))
        assert now is not None
        assert due is not None
        pauses.append(due - now)
        hurry(place)
    assert pauses == pytest.approx(list(WAITS_S), abs=5)
    assert 22 * 3600 < sum(pauses) < 26 * 3600
    receiver.answers = [503]
    deliver(place)
    hurry(place)
    assert deliver(place) == 0
    assert standing(place, job)["failed"]["outcome"] == "answered 503; given up"


def test_who_asks_to_be_left_alone_is(place: Workplace, receiver: Receiver) -> None:
    subscribed(place, receiver)
    job = subscribed(place, receiver)
    become(place, job, JobState.SUCCESSFUL)
    receiver.answers, receiver.headers = [429], {"Retry-After": "5000"}
    deliver(place)
    with place.sessions() as session:
        wanted = select(CallbackRecord.due - epoch()).where(CallbackRecord.job_id == job, CallbackRecord.tries > 0)
        assert session.scalar(wanted) == pytest.approx(5000, abs=5)
    hurry(place)
    receiver.answers = [410]
    assert deliver(place) == 1
    hurry(place)
    assert deliver(place) == 0
    assert standing(place, job)["success"]["outcome"] == "answered 410; given up"


def test_progress_is_told_at_every_tenth_and_no_more_once_the_job_is_over(place: Workplace, receiver: Receiver) -> None:
    job = subscribed(place, receiver)
    for done in (0, 1, 10, 11, 12, 40):
        become(place, job, JobState.SEGMENTING, blocks_total=100, blocks_done=done)
        deliver(place)
        deliver(place)
    told = [json.loads(body)["progress"] for _, _, body in receiver.got]
    assert told == [1, 10, 38]
    assert set(paths(receiver)) == {"/going"}
    receiver.answers = [500]
    become(place, job, JobState.ASSEMBLING, blocks_done=100)
    deliver(place)
    hurry(place)
    become(place, job, JobState.FAILED, message="the disk is full")
    deliver(place)
    assert paths(receiver)[4:] == ["/ill"]
    told = json.loads(receiver.got[-1][2])
    assert (told["status"], told["message"], told["jobID"]) == ("failed", "the disk is full", job)
    assert {event: one["over"] for event, one in standing(place, job).items()} == dict.fromkeys(ALL, True)


def test_a_job_that_is_dismissed_did_not_go_well(place: Workplace, receiver: Receiver) -> None:
    job = subscribed(place, receiver)
    with place.sessions() as session:
        dismiss_job(session, "ana", job)
    assert deliver(place) == 1
    assert paths(receiver) == ["/ill"]
    assert json.loads(receiver.got[0][2])["status"] == "dismissed"
    assert deliver(place) == 0


def test_giving_results_up_that_were_told_of_is_no_failure(place: Workplace, receiver: Receiver) -> None:
    told, untold = subscribed(place, receiver), subscribed(place, receiver)
    become(place, told, JobState.SUCCESSFUL)
    deliver(place)
    become(place, untold, JobState.SUCCESSFUL)
    for job in (told, untold):
        with place.sessions() as session:
            dismiss_job(session, "ana", job)
    deliver(place)
    assert deliver(place) == 0
    assert paths(receiver) == ["/well", "/ill"]
    assert receiver.got[-1][1]["chronoseg-job"].endswith(untold)


def test_three_couriers_tell_nothing_twice(settings: Settings, database_url: str, receiver: Receiver) -> None:
    with workplace(receiver.known_to(settings.model_copy(update={"database_url": database_url}))) as place:
        _tell_at_once(place, receiver)


def _tell_at_once(place: Workplace, receiver: Receiver) -> None:
    jobs = {subscribed(place, receiver, {Event.SUCCESS: "/well"}, owner=f"o{n}") for n in range(12)}
    for job in jobs:
        become(place, job, JobState.SUCCESSFUL)
    done = threading.Event()
    quick = replace(place, settings=place.settings.model_copy(update={"sweep_s": 0.05}))
    threads = [threading.Thread(target=deliver_until, args=(quick, done)) for _ in range(3)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 30
    while not all(one["over"] for job in jobs for one in standing(place, job).values()) and time.monotonic() < end:
        time.sleep(0.05)
    done.set()
    for thread in threads:
        thread.join()
    assert sorted(headers["chronoseg-job"] for _, headers, _ in receiver.got) == sorted(
        f"{BASE}/jobs/{j}" for j in jobs
    )


def test_what_a_courier_took_before_it_died_is_due_again(place: Workplace, receiver: Receiver) -> None:
    job = subscribed(place, receiver)
    become(place, job, JobState.SUCCESSFUL)
    with writing(place.sessions) as session:
        (lost,) = take_due(session, lease_s=0.3, most=9)
    assert lost.job.id == job
    assert deliver(place) == 0
    time.sleep(0.4)
    assert deliver(place) == 1
    assert paths(receiver) == ["/well"]


def test_a_message_that_cannot_be_made_holds_up_no_other(place: Workplace, receiver: Receiver) -> None:
    broken, whole = subscribed(place, receiver), subscribed(place, receiver)
    for job in (broken, whole):
        become(place, job, JobState.SUCCESSFUL)
    with writing(place.sessions) as session:
        session.get_one(JobRecord, broken).wanted = {"colour": "blue"}
    assert deliver(place) == 2
    assert [headers["chronoseg-job"] for _, headers, _ in receiver.got] == [f"{BASE}/jobs/{whole}"]
    assert standing(place, broken)["success"]["outcome"].startswith("internal error")
    assert not standing(place, broken)["success"]["over"]


def test_slow_receivers_of_one_owner_leave_room_for_others(place: Workplace, receiver: Receiver) -> None:
    for owner in ["ana"] * 8 + ["ben"]:
        become(place, subscribed(place, receiver, owner=owner), JobState.SUCCESSFUL)
    with writing(place.sessions) as session:
        owners = [call.job.owner for call in take_due(session, lease_s=60, most=16)]
    assert sorted(owners) == ["ana"] * 4 + ["ben"]


def test_an_attempt_has_an_end_however_slowly_the_answer_drips(
    place: Workplace, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "DEADLINE_S", 1.0)
    job = subscribed(place, receiver)
    become(place, job, JobState.SUCCESSFUL)
    receiver.dripping.set()
    assert deliver(place) == 1
    assert len(receiver.got) == 1
    assert standing(place, job)["success"]["outcome"] == "no answer within 1 s"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://127.0.0.1/x", "is no address of the open internet"),
        ("http://169.254.169.254/latest/meta-data/", "expected an address with https"),
        ("https://localhost/x", "is no address of the open internet"),
        ("https://no-such-host.invalid/x", "is not known"),
    ],
)
def test_no_call_goes_into_our_own_network(settings: Settings, receiver: Receiver, url: str, said: str) -> None:
    with workplace(settings) as place:
        with writing(place.sessions) as session:
            job = create_job(
                session, "ana", {"model": "burned-area@8"}, Terms(subscriber=Subscriber(BASE, {Event.SUCCESS: url}))
            ).id
        become(place, job, JobState.SUCCESSFUL)
        assert deliver(place) == 1
        now = standing(place, job)["success"]
        assert said in now["outcome"]
        assert not now["over"]


def test_targets_are_those_that_the_operator_names(settings: Settings) -> None:
    check_target("https://anywhere.example/x", settings)
    named = settings.model_copy(update={"callback_targets": ("https://hooks.example.org/in/",)})
    check_target("https://hooks.example.org/in/1", named)
    with pytest.raises(AddressRefused, match="not among the sources"):
        check_target("https://anywhere.example/x", named)
    with pytest.raises(AddressRefused, match="calls nobody back"):
        check_target("https://anywhere.example/x", settings.model_copy(update={"callback_targets": ()}))
    with pytest.raises(ValueError, match="expected \\*, or URL prefixes"):
        Settings(callback_targets=("s3://bucket/",))


@pytest.mark.parametrize("grace_s", [60.0, 0.0])
def test_a_new_secret_signs_what_comes_after_beside_the_old_one_for_a_time(
    place: Workplace, receiver: Receiver, grace_s: float
) -> None:
    job = subscribed(place, receiver)
    become(place, job, JobState.SUCCESSFUL)
    with writing(place.sessions) as session:
        oldest = secret_of(session, "ana")
        old, new = renew_secret(session, "ana", grace_s), renew_secret(session, "ana", grace_s)
    assert len({oldest, old, new}) == 3
    deliver(place)
    _, headers, body = receiver.got[0]
    assert signed_by(new, headers, body)
    assert signed_by(old, headers, body) == (grace_s > 0)
    assert not signed_by(oldest, headers, body)
