"""Addresses, absolute, as the client sees the service."""

from __future__ import annotations

from fastapi import Request

_BASE = "chronoseg.base"


def base_of(request: Request) -> str:
    """Return the address of the service, without a slash at its end; worked out once for a request."""
    scope = request.scope
    if _BASE not in scope:
        scope[_BASE] = str(request.base_url).rstrip("/")
    base: str = scope[_BASE]
    return base


def href(request: Request, path: str) -> str:
    """Return the absolute address of a path such as `/jobs/1`."""
    return base_of(request) + path
