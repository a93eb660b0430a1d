"""A job's progress as server-sent events: one event per change, the stream ends with the job."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from sse_starlette import ServerSentEvent

from service.context import Context
from service.statuses import status_info
from workers.jobs import FINAL, find_job
from workers.records import JobRecord

_POLL_S = 0.5
_RETRY_MS = 2000


def event_id(job: JobRecord) -> str:
    """Return what tells one state of a job from another; a client that reconnects sends it as Last-Event-ID."""
    return f"{job.state}-{job.blocks_done}-{job.blocks_total}"


async def job_events(request: Request, here: Context, job: JobRecord, last_id: str) -> AsyncIterator[ServerSentEvent]:
    """Yield the job's status now, unless the client has seen it, and then whenever it changes.

    Args:
        request: ends the stream when its client goes.
        here: the API's parts.
        job: as read just now.
        last_id: id of the last event that the client saw, or "".
    """
    while True:
        if event_id(job) != last_id:
            last_id = event_id(job)
            yield _event(last_id, status_info(request, job))
        if job.state in FINAL:
            return
        await asyncio.sleep(_POLL_S)
        job = await run_in_threadpool(_read, here, job)


def _read(here: Context, job: JobRecord) -> JobRecord:
    with here.sessions() as session:
        return find_job(session, job.owner, job.id)


def _event(id_: str, info: dict[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(json.dumps(info), event="status", id=id_, retry=_RETRY_MS)
