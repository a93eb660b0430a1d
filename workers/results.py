"""The results of a job as OGC API - Processes writes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from workers.records import ProductRecord


def results_document(products: Iterable[ProductRecord], base: str) -> dict[str, Any]:
    """Return address, media type and title of every product, by name.

    Args:
        products: of one job.
        base: address of the service as the client sees it, without a slash at its end.
    """
    return {
        one.name: {"href": f"{base}/masks/{one.job_id}/{one.name}", "type": one.media_type, "title": one.title}
        for one in products
    }
