"""The preference `wait=N` (RFC 7240): an answer may wait that long for work to be done."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from time import monotonic

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

MAX_WAIT_S = 60
_POLL_S = 0.1


def wait_preferred_s(request: Request) -> int | None:
    """Return the seconds that the client is willing to wait, at most 60; None where it says nothing."""
    for header in request.headers.getlist("prefer"):
        match = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})\b", header, re.ASCII)
        if match:
            return min(int(match[1]), MAX_WAIT_S)
    return None


async def wait_until(done: Callable[[], bool], seconds: float) -> None:
    """Ask again and again in a thread whether something is done, until it is or the time is up."""
    end = monotonic() + seconds
    while not await run_in_threadpool(done) and monotonic() < end:
        await asyncio.sleep(_POLL_S)
