"""Jobs: state, progress, results, dismissal."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from sqlalchemy import ColumnElement, select
from sse_starlette import EventSourceResponse

from service.context import Context, Here
from service.downloads import ZIP, qgis_project, results_zip
from service.errors import ResultFailed, ResultGone, ResultNotReady
from service.events import event_id, job_events
from service.files import PARTS
from service.identity import Reader, Writer
from service.job_filter import jobs_like
from service.pages import Limit, Token, page, page_links
from service.projects import MEDIA_TYPE
from service.results import results_response
from service.statuses import status_info, status_list
from workers.jobs import FINAL, dismiss_job, find_job, job_products
from workers.records import JobRecord, JobState, ProductRecord
from workers.statuses import message_of
from workers.subscribers import callbacks_of

router = APIRouter(prefix="/jobs", tags=["jobs"])

_RESULTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A document by name (results.yaml), or what was asked for raw: one product, or several",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "multipart/related": {"schema": {"type": "string"}},
            "*/*": {"schema": {"type": "string"}},
        },
    },
    204: {"description": "Nothing was asked for; or raw by reference, and the addresses are in `Link`"},
    **PARTS,
}


@router.get("", summary="Jobs, newest first")
def jobs(
    request: Request,
    here: Here,
    owner: Reader,
    like: Annotated[list[ColumnElement[bool]], Depends(jobs_like)],
    limit: Limit = 100,
    token: Token = "",
) -> dict[str, Any]:
    """Return a page of the jobs that fit."""
    with here.sessions() as session:
        query = select(JobRecord).where(JobRecord.owner == owner, *like)
        found, following = page(session, query, JobRecord, limit, token)
    return {"jobs": status_list(request, found), "links": page_links(request, following)}


@router.get("/{job_id}", summary="State of a job")
def job(job_id: str, request: Request, here: Here, owner: Reader) -> dict[str, Any]:
    """Return the statusInfo of a job."""
    with here.sessions() as session:
        return status_info(request, find_job(session, owner, job_id))


@router.delete("/{job_id}", summary="Dismiss a job")
def dismiss(job_id: str, request: Request, here: Here, owner: Writer) -> dict[str, Any]:
    """Stop a job's work and remove its files, the results of a job that is over too; the record stays."""
    with here.sessions() as session:
        return status_info(request, dismiss_job(session, owner, job_id))


@router.get("/{job_id}/callbacks", summary="How the job's callbacks went")
def callbacks(job_id: str, here: Here, owner: Reader) -> dict[str, Any]:
    """Return, for every address that the job is to call, how often it was tried and what came of it."""
    with here.sessions() as session:
        find_job(session, owner, job_id)
        return {"callbacks": callbacks_of(session, job_id)}


@router.head("/{job_id}/results", include_in_schema=False)
@router.get("/{job_id}/results", summary="Results of a job", response_class=Response, responses=_RESULTS)
def results(job_id: str, request: Request, here: Here, owner: Reader) -> Response:
    """Return the results as they were asked for with the execution; if nothing was said, every product's address."""
    return results_response(request, here, *_ended_well(here, owner, job_id))


@router.head("/{job_id}/results.zip", include_in_schema=False)
@router.get(
    "/{job_id}/results.zip",
    summary="Products of a job, as one zip",
    response_class=Response,
    responses={200: {"content": {ZIP: {}}}, **PARTS},
)
def zipped(job_id: str, request: Request, here: Here, owner: Reader) -> Response:
    """Return every product, and a QGIS project that shows them; unzip it into a folder of its own."""
    return results_zip(request, here, *_ended_well(here, owner, job_id, planned=True))


@router.head("/{job_id}/project.qgz", include_in_schema=False)
@router.get(
    "/{job_id}/project.qgz",
    summary="A job as a QGIS project",
    response_class=Response,
    responses={200: {"content": {MEDIA_TYPE: {}}}, **PARTS},
)
def project(job_id: str, request: Request, here: Here, owner: Reader) -> Response:
    """Return a project whose layers QGIS reads from here, piece by piece; it holds no key."""
    return qgis_project(request, here, *_ended_well(here, owner, job_id, planned=True))


@router.get(
    "/{job_id}/events",
    summary="Progress as server-sent events",
    response_class=EventSourceResponse,
    responses={204: {"description": "The job has ended, and the client knows how: it need not connect again"}},
)
def events(
    job_id: str, request: Request, here: Here, owner: Reader, last_event_id: str = Header("", max_length=200)
) -> Response:
    """Send an event `status` with the statusInfo at every change, until the job has ended."""
    with here.sessions() as session:
        found = find_job(session, owner, job_id)
    if found.state in FINAL and event_id(found) == last_event_id:
        return Response(status_code=204)  # tells an EventSource to stop connecting again
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return EventSourceResponse(job_events(request, here, found, last_event_id), headers=headers, ping=15)


def _ended_well(
    here: Context, owner: str, job_id: str, *, planned: bool = False
) -> tuple[JobRecord, list[ProductRecord]]:
    """Return a job that went well and its products; if it is asked for, with its plan."""
    with here.sessions() as session:
        found = find_job(session, owner, job_id)
        _check_ended_well(found)
        if planned:
            session.refresh(found, ["plan"])
        return found, job_products(session, job_id)


def _check_ended_well(job: JobRecord) -> None:
    if job.state == JobState.FAILED:
        raise ResultFailed(message_of(job))
    if job.state == JobState.DISMISSED:
        raise ResultGone("the job was dismissed and its files were removed")
    if job.state != JobState.SUCCESSFUL:
        raise ResultNotReady(f"the job is not done yet: {message_of(job)}")
