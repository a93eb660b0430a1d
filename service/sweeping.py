"""What the API tidies up by itself, as long as it runs: the bytes of uploads lie with it, where no worker sees them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import SQLAlchemyError

from service.appending import sweep_uploads
from service.context import Context

EVERY_S = 60.0

log = structlog.get_logger()


@asynccontextmanager
async def sweeping(app: FastAPI) -> AsyncIterator[None]:
    """Sweep from the app's start to its end."""
    task = asyncio.create_task(_sweep(app.state.context))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _sweep(here: Context) -> None:
    while True:
        try:
            await run_in_threadpool(sweep_uploads, here)
        except (SQLAlchemyError, OSError) as err:
            log.warning("sweep of uploads incomplete", error=str(err))
        await asyncio.sleep(EVERY_S)
