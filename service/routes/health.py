"""Whether the parts behind the API can be reached."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from sqlalchemy import text

from service.context import Context, Here
from workers.errors import NotStored

router = APIRouter(tags=["service"])


@router.get("/health", summary="Whether database, broker and store can be reached")
def health(here: Here) -> JSONResponse:
    """Return the state of each part; 503 where the database is down, for then nothing works."""
    parts = {
        "database": _tried(lambda: _ask_database(here)),
        "broker": _tried(lambda: _ask_broker(here)),
        "store": _tried(lambda: _ask_store(here)),
    }
    well = all(part["status"] == "ok" for part in parts.values())
    body = {"status": "ok" if well else "degraded", **parts}
    if parts["database"]["status"] != "ok":
        return JSONResponse({**body, "status": "down"}, 503)
    return JSONResponse(body)


def _tried(ask: Callable[[], None]) -> dict[str, Any]:
    start = time.perf_counter()
    try:
        ask()
    except Exception as err:
        return {"status": "down", "error": type(err).__name__}
    return {"status": "ok", "ms": round((time.perf_counter() - start) * 1000, 1)}


def _ask_database(here: Context) -> None:
    with here.sessions() as session:
        session.execute(text("SELECT 1 FROM scenes LIMIT 1"))


def _ask_broker(here: Context) -> None:
    from redis import Redis

    with Redis.from_url(
        here.settings.broker_url, socket_connect_timeout=2, socket_timeout=2, retry_on_timeout=False
    ) as redis:
        redis.ping()


def _ask_store(here: Context) -> None:
    try:
        here.store.stat("health/probe")
    except NotStored:
        return
