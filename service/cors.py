"""Pages of other sites: those of named origins may use the service from a browser."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from service.problems import METHODS
from workers.settings import Settings

SENT = (
    "Authorization", "X-API-Key", "Content-Type", "Content-Disposition", "Prefer", "Last-Event-ID", "Idempotency-Key",
    "Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range",
    "Tus-Resumable", "Upload-Length", "Upload-Offset", "Upload-Metadata", "Upload-Checksum",
    "X-HTTP-Method-Override",
)  # fmt: skip
"""Headers that requests to our routes may carry."""

SHOWN = (
    "ETag", "Last-Modified", "Accept-Ranges", "Content-Range", "Content-Length", "Content-Disposition",
    "Location", "Link", "Allow", "Preference-Applied", "Retry-After", "WWW-Authenticate",
    "Tus-Resumable", "Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm",
    "Upload-Length", "Upload-Offset", "Upload-Metadata", "Upload-Expires",
)  # fmt: skip
"""Headers of our answers that a page may read."""


def let_in(app: FastAPI, settings: Settings) -> None:
    """Let pages of the origins that the settings name use the app; those of no others.

    A page sends its key itself: a browser's own credentials are not for it.
    """
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=list(METHODS),
            allow_headers=list(SENT),
            expose_headers=list(SHOWN),
            allow_credentials=False,
            max_age=3600,
        )
