"""Products of jobs, file by file, streaming."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from service.context import Here
from service.errors import ProductUnknown
from service.files import PARTS, stored_product
from service.identity import Reader
from service.links import base_of, href
from workers.jobs import find_job, job_products
from workers.links import link
from workers.records import ProductRecord
from workers.results import reference_to

router = APIRouter(prefix="/masks", tags=["masks"])


@router.get("/{job_id}", summary="List of a job's files")
def masks(job_id: str, request: Request, here: Here, owner: Reader) -> dict[str, Any]:
    """Return name, type, size and hash of every product; empty while the job runs."""
    with here.sessions() as session:
        find_job(session, owner, job_id)
        products = job_products(session, job_id)
    base = base_of(request)
    files = [
        {"name": product.name, **reference_to(product, base), "size": product.size, "sha256": product.sha256}
        for product in products
    ]
    return {
        "files": files,
        "links": [link("self", f"{base}/masks/{job_id}"), link("up", href(request, f"/jobs/{job_id}"))],
    }


@router.head("/{job_id}/{name}", include_in_schema=False)
@router.get("/{job_id}/{name}", summary="A file of a job", response_class=Response, responses=PARTS)
def mask(job_id: str, name: str, request: Request, here: Here, owner: Reader) -> Response:
    """Return a product, or the range of it that was asked for."""
    with here.sessions() as session:
        find_job(session, owner, job_id)
        product = session.get(ProductRecord, (job_id, name))
        if product is None:
            raise ProductUnknown(
                f"job {job_id} has no product {name!r}; {href(request, f'/masks/{job_id}')} lists them"
            )
    return stored_product(request, here.store, product)
