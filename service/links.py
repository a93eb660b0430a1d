"""Addresses, absolute, as the client sees the service."""

from __future__ import annotations

from fastapi import Request


def base_of(request: Request) -> str:
    """Return the address of the service, without a slash at its end."""
    return str(request.base_url).rstrip("/")


def href(request: Request, path: str) -> str:
    """Return the absolute address of a path such as `/jobs/1`."""
    return base_of(request) + path
