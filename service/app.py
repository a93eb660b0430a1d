"""The HTTP service. No torch here, and no GDAL before a request needs it."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from service import problems
from service.context import Context
from service.cors import let_in
from service.drawing import drawing_limiter
from service.extents import Extents
from service.headers import SecureHeaders
from service.identity import schemes_of
from service.oidc import issuer_of
from service.rate import RequestRate
from service.recent import RecentIdentities
from service.routes import (
    callbacks,
    health,
    jobs,
    keys,
    landing,
    masks,
    models,
    processes,
    scenes,
    stac,
    tiles,
    transactions,
    uploads,
)
from service.sweeping import sweeping
from workers.app import celery_app
from workers.database import open_database
from workers.settings import Settings
from workers.store import open_store


class _App(FastAPI):
    """The app, whose OpenAPI document tells how a key is sent; none is needed as long as nobody has one."""

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        document.setdefault("components", {})["securitySchemes"] = schemes = schemes_of(self.state.context.settings)
        document["security"] = [*({name: []} for name in schemes), {}]
        return document


def create_app(settings: Settings) -> FastAPI:
    """Return the app; the database's schema must be up to date (`workers.database.migrate`)."""
    app = _App(
        title=landing.TITLE,
        description=landing.DESCRIPTION,
        version=version("chronoseg"),
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        generate_unique_id_function=_operation_id,
        responses=problems.DOCUMENTED,
        lifespan=sweeping,
    )
    app.state.context = Context(
        settings=settings,
        sessions=open_database(settings.database),
        store=open_store(settings),
        celery=celery_app(settings),
        rate=RequestRate(settings),
        recent=RecentIdentities(),
        extents=Extents(),
        drawing=drawing_limiter(),
        issuer=issuer_of(settings),
    )
    problems.install(app)
    let_in(app, settings)
    app.add_middleware(SecureHeaders)
    catalogue = (landing, health, stac, transactions, scenes, uploads)
    for module in (*catalogue, processes, jobs, callbacks, masks, tiles, models, keys):
        app.include_router(module.router)
    return app


def _operation_id(route: APIRoute) -> str:
    return f"{route.tags[0] if route.tags else 'service'}-{route.name}"
