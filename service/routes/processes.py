"""OGC API - Processes: what can be run, and running it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from models.registry import list_models
from service.context import Here
from service.errors import BodyTooLarge, MediaTypeRefused, ProcessUnknown
from service.identity import Writer, owner_reading
from service.links import href, link
from service.processes import Execution, SegmentInputs, check_inputs, description, summary
from service.statuses import PROCESS, status_info
from workers.dispatch import send
from workers.jobs import create_job

router = APIRouter(prefix="/processes", tags=["processes"])

_MAX_BODY_BYTES = 16_000_000
_SCHEMA = {"type": "object", "required": ["inputs"], "properties": {"inputs": SegmentInputs.model_json_schema()}}
_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": _SCHEMA}}}}


@router.get("", summary="Processes", dependencies=[Depends(owner_reading)])
def processes(request: Request) -> dict[str, Any]:
    """Return the list of processes."""
    links = [link("self", href(request, "/processes")), link("root", href(request, "/"))]
    return {"processes": [summary(request)], "links": links}


@router.get("/{process_id}", summary="Description of a process", dependencies=[Depends(owner_reading)])
def process(process_id: str, request: Request, here: Here) -> dict[str, Any]:
    """Return what a process reads and writes."""
    _check_process(process_id)
    return description(request, [card.id for card, _ in list_models(here.settings.model_folders)])


async def execution_of(request: Request) -> Execution:
    """Read the body of an execution request; streaming, so that what is too large is never held."""
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise MediaTypeRefused(f"expected Content-Type: application/json; got {media_type[:100] or 'none'!r}")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            raise BodyTooLarge(f"an execution request may have at most {_MAX_BODY_BYTES} bytes; simplify the area")
    try:
        return await run_in_threadpool(Execution.model_validate_json, body)
    except ValidationError as err:
        raise RequestValidationError([{**e, "loc": ("body", *e["loc"])} for e in err.errors()]) from err


@router.post("/{process_id}/execution", status_code=201, summary="Start a job", openapi_extra=_BODY)
def execute(
    process_id: str, body: Annotated[Execution, Depends(execution_of)], request: Request, here: Here, owner: Writer
) -> JSONResponse:
    """Start a job; its state is at the address in Location."""
    _check_process(process_id)
    inputs = check_inputs(body.inputs, here.settings.model_folders, here.settings.max_aoi_km2)
    with here.sessions() as session:
        job = create_job(session, owner, inputs, here.settings.jobs_at_once, here.settings.stored_mb)
    send(here.celery, "plan_job", job.id)
    info = status_info(request, job)
    headers = {"Location": href(request, f"/jobs/{job.id}"), "Preference-Applied": "respond-async"}
    return JSONResponse(info, 201, headers=headers)


def _check_process(process_id: str) -> None:
    if process_id != PROCESS:
        raise ProcessUnknown(f"no process {process_id!r}; there is: {PROCESS}")
