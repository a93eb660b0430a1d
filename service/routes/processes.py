"""OGC API - Processes: what can be run, and running it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from models.registry import list_models
from service.callbacks import CALLBACKS
from service.context import Context, Here
from service.errors import ProcessUnknown
from service.executions import Asked, asked, request_schema
from service.identity import Writer, owner_reading
from service.inputs import read_inputs
from service.links import base_of, href
from service.outputs import check_outputs
from service.pages import Limit
from service.processes import SegmentInputs, check_inputs, description, summary
from service.statuses import status_info
from workers.database import writing
from workers.dispatch import send
from workers.idempotency import Once, job_of_key
from workers.jobs import create_job
from workers.links import link
from workers.records import JobRecord
from workers.statuses import PROCESS
from workers.subscribers import Subscriber, check_target
from workers.terms import Limits, Terms

router = APIRouter(prefix="/processes", tags=["processes"])

_BODY = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": request_schema()}}},
    "callbacks": CALLBACKS,
}


@router.get("", summary="Processes", dependencies=[Depends(owner_reading)])
def processes(request: Request, limit: Limit = 100) -> dict[str, Any]:  # noqa: ARG001 - there is one, within any limit
    """Return the list of processes."""
    links = [link("self", href(request, "/processes")), link("root", href(request, "/"))]
    return {"processes": [summary(request)], "links": links}


@router.get("/{process_id}", summary="Description of a process", dependencies=[Depends(owner_reading)])
def process(process_id: str, request: Request, here: Here) -> dict[str, Any]:
    """Return what a process reads and writes."""
    _check_process(process_id)
    return description(request, [card.id for card, _ in list_models(here.settings.model_folders)])


@router.post("/{process_id}/execution", status_code=201, summary="Start a job", openapi_extra=_BODY)
async def execute(
    process_id: str, execution: Annotated[Asked, Depends(asked)], request: Request, here: Here, owner: Writer
) -> JSONResponse:
    """Start a job; its state is at the address in Location."""
    _check_process(process_id)
    job = None if execution.once is None else await run_in_threadpool(_repeated, here, owner, execution.once)
    if job is None:
        terms = _terms(request, here, execution)  # before anything is fetched
        inputs = await read_inputs(execution.body.inputs, here.settings)
        job = await run_in_threadpool(_started, here, owner, inputs, terms)
    headers = {"Location": href(request, f"/jobs/{job.id}")}
    if any("respond-async" in preferred for preferred in request.headers.getlist("prefer")):
        headers["Preference-Applied"] = "respond-async"
    told = await run_in_threadpool(status_info, request, job)
    return JSONResponse(told, 201, headers=headers)


def _repeated(here: Context, owner: str, once: Once) -> JobRecord | None:
    """Return the job of a request that came before, whatever has changed since: models, quotas, the job itself."""
    with here.sessions() as session:
        return job_of_key(session, owner, once)


def _terms(request: Request, here: Context, execution: Asked) -> Terms:
    body, subscriber = execution.body, None
    wanted = check_outputs(body.outputs, body.response)
    if body.subscriber is not None:
        subscriber = Subscriber(base_of(request), body.subscriber.by_event())
        for uri in subscriber.urls.values():
            check_target(uri, here.settings)
    return Terms(execution.once, subscriber, wanted)


def _started(here: Context, owner: str, given: SegmentInputs, terms: Terms) -> JobRecord:
    settings = here.settings
    inputs = check_inputs(given, settings.model_folders, settings.max_aoi_km2)
    with writing(here.sessions) as session:
        job = create_job(session, owner, inputs, terms, Limits(settings.jobs_at_once, settings.stored_mb))
    send(here.celery, "plan_job", job.id)
    return job


def _check_process(process_id: str) -> None:
    if process_id != PROCESS:
        raise ProcessUnknown(f"no process {process_id!r}; there is: {PROCESS}")
