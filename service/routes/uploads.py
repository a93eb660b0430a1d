"""Uploads that resume where they broke off (tus 1.0). One that is whole is a scene, as by POST /scenes."""

from __future__ import annotations

from email.utils import format_datetime
from typing import Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool

from service import tus
from service.appending import ALGORITHMS, append, expiry, find, offset_of, terminate
from service.bodies import batches, check_length
from service.context import Context, Here
from service.errors import BodyTooLarge, InputsRefused
from service.filenames import safe_filename
from service.identity import Reader, Writer
from service.links import href
from service.scene_options import OPTIONS, parse_options
from workers.database import writing
from workers.storage import check_storage
from workers.uploads import UploadRecord, new_upload_id

router = APIRouter(prefix="/uploads", tags=["uploads"], route_class=tus.TusRoute)

_NUMBER = {"type": "string", "pattern": "^[0-9]{1,18}$"}
_HEADERS = {
    "Tus-Resumable": {"type": "string", "const": tus.VERSION},
    "Upload-Length": _NUMBER,
    "Upload-Offset": _NUMBER,
    "Upload-Metadata": {"type": "string"},
    "Upload-Checksum": {"type": "string"},
}
_BODY = {"content": {tus.MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}


def _documented(*required: str, optional: tuple[str, ...] = (), body: bool = False) -> dict[str, Any]:
    names = [*((name, True) for name in ("Tus-Resumable", *required)), *((name, False) for name in optional)]
    parameters = [{"name": name, "in": "header", "required": must, "schema": _HEADERS[name]} for name, must in names]
    return {"parameters": parameters, **({"requestBody": _BODY} if body else {})}


@router.options("", include_in_schema=False)
@router.options("/{upload_id}", include_in_schema=False)
def options(here: Here) -> Response:
    """Tell what of tus there is."""
    headers = {
        "Tus-Version": tus.VERSION,
        "Tus-Extension": ",".join(tus.EXTENSIONS),
        "Tus-Max-Size": str(_max_bytes(here)),
        "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
    }
    return Response(status_code=204, headers=headers)


@router.post(
    "",
    status_code=201,
    summary="Begin an upload that can resume (tus 1.0)",
    response_class=Response,
    dependencies=[Depends(tus.check_version)],
    openapi_extra=_documented("Upload-Length", optional=("Upload-Metadata", "Upload-Checksum"), body=True),
)
async def create(request: Request, here: Here, owner: Writer) -> Response:
    """Make an upload of `Upload-Length` bytes; its address is in Location.

    `Upload-Metadata` may tell filename, bands, scale and acquired, as the fields of POST /scenes do; other keys mean
    nothing. The first bytes may come at once. A bundle of several files goes up as one zip.
    """
    size = tus.parse_count(request, "Upload-Length")
    if size > _max_bytes(here):
        raise BodyTooLarge(f"an upload may have at most {_max_bytes(here)} bytes; got Upload-Length {size}")
    if size == 0:
        raise InputsRefused("expected an Upload-Length above zero: an empty file is no scene")
    header = request.headers.get("upload-metadata", "")
    told = tus.parse_metadata(header)
    record = UploadRecord(
        id=new_upload_id(),
        owner=owner,
        size=size,
        filename=safe_filename(told.get("filename") or told.get("name") or "", "image.tif"),
        options=parse_options({name: told[name] for name in OPTIONS if name in told}),
        metadata_header=header,
        expires=expiry(here.settings),
    )
    await run_in_threadpool(_enter, here, record)
    if "content-type" in request.headers:
        record = await _append(request, here, owner, record, 0)
    headers = {**_state(request, here, record), "Location": href(request, f"/uploads/{record.id}")}
    return Response(status_code=201, headers=headers)


@router.head(
    "/{upload_id}",
    summary="How far an upload is",
    response_class=Response,
    dependencies=[Depends(tus.check_version)],
    openapi_extra=_documented(),
)
def head(upload_id: str, request: Request, here: Here, owner: Reader) -> Response:
    """Tell in `Upload-Offset` how many bytes are safe; once all are, `Link` leads to the scene (rel=item)."""
    record = find(here, owner, upload_id)
    headers = {**_state(request, here, record), "Upload-Length": str(record.size), "Cache-Control": "no-store"}
    if record.metadata_header:
        headers["Upload-Metadata"] = record.metadata_header
    return Response(headers=headers)


@router.patch(
    "/{upload_id}",
    status_code=204,
    summary="Go on with an upload",
    response_class=Response,
    dependencies=[Depends(tus.check_version)],
    openapi_extra=_documented("Upload-Offset", optional=("Upload-Checksum",), body=True),
)
async def patch(upload_id: str, request: Request, here: Here, owner: Writer) -> Response:
    """Append the body at `Upload-Offset`; with the last byte the upload becomes a scene, to which `Link` leads."""
    record = await run_in_threadpool(find, here, owner, upload_id)
    record = await _append(request, here, owner, record, tus.parse_count(request, "Upload-Offset"))
    return Response(status_code=204, headers=_state(request, here, record))


@router.delete(
    "/{upload_id}",
    status_code=204,
    summary="Give an upload up",
    response_class=Response,
    dependencies=[Depends(tus.check_version)],
    openapi_extra=_documented(),
)
def delete(upload_id: str, here: Here, owner: Writer) -> Response:
    """Remove an upload and its bytes; a scene that it became stays."""
    terminate(here, owner, upload_id)
    return Response(status_code=204)


@router.post("/{upload_id}", include_in_schema=False, dependencies=[Depends(tus.check_version)])
async def overridden(upload_id: str, request: Request, here: Here, owner: Writer) -> Response:
    """Do what X-HTTP-Method-Override says, for clients that can send neither PATCH nor DELETE."""
    method = request.headers.get("x-http-method-override", "").upper()
    if method == "PATCH":
        return await patch(upload_id, request, here, owner)
    if method == "DELETE":
        return await run_in_threadpool(delete, upload_id, here, owner)
    raise HTTPException(405)


async def _append(request: Request, here: Context, owner: str, record: UploadRecord, offset: int) -> UploadRecord:
    tus.check_media_type(request)
    missing = max(record.size - offset, 0)
    check_length(request, missing)
    return await append(here, owner, record.id, offset, batches(request, missing), tus.parse_checksum(request))


def _enter(here: Context, record: UploadRecord) -> None:
    with writing(here.sessions) as session:
        check_storage(session, record.owner, here.settings.stored_mb, record.size)
        session.add(record)


def _max_bytes(here: Context) -> int:
    return here.settings.max_upload_mb * 1_000_000


def _state(request: Request, here: Context, record: UploadRecord) -> dict[str, str]:
    headers = {
        "Upload-Offset": str(offset_of(here, record)),
        "Upload-Expires": format_datetime(record.expires, usegmt=True),
    }
    if record.scene_id:
        headers["Link"] = f'<{href(request, f"/scenes/{record.scene_id}")}>; rel="item"'
    return headers
