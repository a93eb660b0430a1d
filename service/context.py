"""What every route may use: settings, database, store, broker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from anyio import CapacityLimiter
from fastapi import Depends, Request
from sqlalchemy.orm import Session, sessionmaker

from service.extents import Extents
from service.oidc import Issuer
from service.rate import RequestRate
from service.recent import RecentIdentities
from workers.settings import Settings
from workers.store import Store


@dataclass(frozen=True)
class Context:
    """The parts of one API process.

    Attributes:
        sessions: makes database sessions.
        store: where uploads, scenes and products lie.
        celery: the Celery app that carries messages to the workers.
        rate: counts requests by owner.
        recent: whose the last requests were.
        extents: of the owners' collections.
        drawing: how many tiles are drawn at once.
        issuer: whose tokens are taken beside keys, if there is one.
    """

    settings: Settings
    sessions: sessionmaker[Session]
    store: Store
    celery: Any
    rate: RequestRate
    recent: RecentIdentities
    extents: Extents
    drawing: CapacityLimiter
    issuer: Issuer | None = None


def context_of(request: Request) -> Context:
    """Return the app's context."""
    context: Context = request.app.state.context
    return context


async def _context(request: Request) -> Context:
    return context_of(request)  # a coroutine takes no thread


Here = Annotated[Context, Depends(_context)]
