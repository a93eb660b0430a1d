"""The statusInfo of jobs, as a client asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import Request

from service.context import context_of
from service.links import base_of
from workers.records import JobRecord
from workers.statuses import share_for, status_document


def status_list(request: Request, jobs: Sequence[JobRecord]) -> list[dict[str, Any]]:
    """Return the statusInfo of each job; what tells the time left is asked once for all that are under way."""
    with context_of(request).sessions() as session:
        share = share_for(session, jobs)
    return [status_document(job, base_of(request), share) for job in jobs]


def status_info(request: Request, job: JobRecord) -> dict[str, Any]:
    """Return the statusInfo of a job."""
    return status_list(request, [job])[0]
