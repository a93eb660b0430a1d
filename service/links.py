"""Links and addresses, absolute, as the client sees the service."""

from __future__ import annotations

from typing import Any

from fastapi import Request


def href(request: Request, path: str) -> str:
    """Return the absolute address of a path such as `/jobs/1`."""
    return str(request.base_url).rstrip("/") + path


def link(rel: str, address: str, media_type: str = "application/json", title: str = "") -> dict[str, Any]:
    """Return a link object as OGC API and STAC write it."""
    found = {"rel": rel, "href": address, "type": media_type}
    return {**found, "title": title} if title else found
