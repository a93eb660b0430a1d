"""The courier: tells receivers what has become of jobs, from a thread, so that a slow receiver holds up no work.

Every worker of the queue `io` has one. An attempt is taken in the database before it is made, and is due again when
whoever took it has died; so a receiver may be told twice, and never not at all. Both attempts carry one `webhook-id`.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from typing import Any

import httpx
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from workers.callback_secrets import secret_of, signature, signing_secrets
from workers.callbacks import Answer, Call, any_open, settle_call, take_due
from workers.database import writing
from workers.errors import AddressRefused, AddressUnreachable
from workers.jobs import job_products
from workers.outbound import open_outbound_async
from workers.results import Wanted, results_document
from workers.statuses import status_document
from workers.subscribers import Event, rules_of
from workers.workplace import Workplace

AT_ONCE = 16
DEADLINE_S = 20.0
"""How long an attempt may take: name, connection, sending and the answer's head."""

LEASE_S = 90.0

log = structlog.get_logger()


def deliver_until(place: Workplace, done: threading.Event) -> None:
    """Deliver again and again; a database that is away makes a round incomplete, never the last."""
    while not done.is_set():
        delivered = 0
        try:
            delivered = deliver(place)
        except SQLAlchemyError as err:
            log.warning("callbacks wait", error=str(err))
        except Exception:
            log.exception("callbacks failed")
        if not delivered:
            done.wait(place.settings.sweep_s)


def deliver(place: Workplace, *, verify: bool | ssl.SSLContext = True) -> int:
    """Make all attempts that are due, several at once; return how many there were.

    Args:
        place: of the worker.
        verify: by which authorities TLS proves a receiver's name.
    """
    with place.sessions() as session:
        if not any_open(session):
            return 0
    with writing(place.sessions) as session:
        calls = take_due(session, lease_s=LEASE_S, most=AT_ONCE)
    if calls:
        asyncio.run(_make(place, calls, verify))
    return len(calls)


async def _make(place: Workplace, calls: list[Call], verify: bool | ssl.SSLContext) -> None:
    async with open_outbound_async(rules_of(place.settings), timeout_s=DEADLINE_S, verify=verify) as client:
        made = await asyncio.gather(*(_attempt(place, client, call) for call in calls), return_exceptions=True)
    for failed in made:
        if failed is not None:
            raise failed


async def _attempt(place: Workplace, client: httpx.AsyncClient, call: Call) -> None:
    try:
        answer = await _tell(place, client, call)
    except SQLAlchemyError:
        raise
    except Exception:
        log.exception("callback failed", job=call.job.id)
        answer = Answer("internal error; the operator finds its details in the log")
    about = {"job": call.job.id, "of": call.event, "attempt": call.tries}
    log.info("called back", **about, accepted=answer.accepted, answer=answer.text)
    await asyncio.to_thread(_settle, place, call, answer)


async def _tell(place: Workplace, client: httpx.AsyncClient, call: Call) -> Answer:
    body, headers = await asyncio.to_thread(_message, place, call)
    try:
        async with (
            asyncio.timeout(DEADLINE_S),
            client.stream("POST", call.url, content=body, headers=headers) as response,
        ):
            return _read(response)
    except TimeoutError:
        return Answer(f"no answer within {DEADLINE_S:.0f} s")
    except (httpx.HTTPError, AddressRefused, AddressUnreachable) as err:
        return Answer(str(err) or type(err).__name__)


def _read(response: httpx.Response) -> Answer:
    status, text = response.status_code, f"answered {response.status_code}"
    if response.is_success:
        return Answer(text, accepted=True)
    if status == httpx.codes.GONE:
        return Answer(text, gone=True)
    if response.is_redirect:
        return Answer(f"{text}; a callback follows no redirect")
    asked = response.headers.get("retry-after", "")
    return Answer(text, retry_after_s=min(float(asked), 86_400.0) if asked.isascii() and asked.isdigit() else 0.0)


def _message(place: Workplace, call: Call) -> tuple[bytes, dict[str, str]]:
    """Return a call's body and headers: the results of a job that went well, else its status."""
    with place.sessions() as session:
        told: dict[str, Any] = (
            _results(session, call) if call.event == Event.SUCCESS else status_document(call.job, call.base)
        )
        signing = signing_secrets(session, call.job.owner)
    if not signing:  # the job was adopted
        with writing(place.sessions) as session:
            signing = [secret_of(session, call.job.owner)]
    body = json.dumps(told).encode()
    signed = signature(signing, f"{call.job.id}.{call.news}", int(time.time()), body)
    about = {"chronoseg-job": f"{call.base}/jobs/{call.job.id}", "chronoseg-event": str(call.event)}
    return body, {"Content-Type": "application/json", **about, **signed}


def _results(session: Session, call: Call) -> dict[str, Any]:
    """Return the results that were asked for, all of them by reference."""
    picked = Wanted.from_json(call.job.wanted).pick(job_products(session, call.job.id))
    return results_document([one.product for one in picked], call.base)


def _settle(place: Workplace, call: Call, answer: Answer) -> None:
    with writing(place.sessions) as session:
        settle_call(session, call, answer)
