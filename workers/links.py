"""Link objects, as OGC API and STAC write them."""

from __future__ import annotations

from typing import Any


def link(rel: str, address: str, media_type: str = "application/json", title: str = "") -> dict[str, Any]:
    """Return a link object; `address` is absolute."""
    found = {"rel": rel, "href": address, "type": media_type}
    return {**found, "title": title} if title else found
