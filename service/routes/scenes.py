"""Scenes: uploading, looking up, reading their rasters, deleting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from sqlalchemy import select

from service.bodies import check_length, declared_length, media_type_of
from service.catalogue import asset_of, scene_state
from service.context import Context, Here
from service.errors import BodyTooLarge, SceneNotReady
from service.files import PARTS, stored_file
from service.identity import Reader, Writer
from service.item_links import ITEM, item_document
from service.item_pages import find_item
from service.links import href
from service.pages import Limit, Token, page, page_links
from service.parts import parts_of
from service.receiving import take_in
from service.references import Reference, read_reference, take_reference
from service.removing import remove_scene
from service.scene_options import parse_options
from service.uploads import Upload, read_upload
from service.waiting import wait_preferred_s, wait_until
from workers.items import Collection
from workers.records import SceneRecord, SceneState
from workers.scenes import find_scene
from workers.storage import check_storage, full, room_bytes

router = APIRouter(prefix="/scenes", tags=["scenes"])

_FILE = {"type": "string", "contentMediaType": "application/octet-stream"}
_FORM = {
    "type": "object",
    "anyOf": [{"required": ["image"]}, {"required": ["bundle"]}],
    "additionalProperties": False,
    "properties": {
        "image": {
            "type": "string",
            "contentMediaType": "application/octet-stream",
            "description": "GeoTIFF, or a zip as Planet delivers it",
        },
        "bundle": {
            "type": "string",
            "contentMediaType": "application/octet-stream",
            "description": "the same as image",
        },
        "udm2": {
            "type": "string",
            "contentMediaType": "application/octet-stream",
            "description": "usable data mask (UDM2 or the old UDM)",
        },
        "metadata": {
            "type": "string",
            "contentMediaType": "application/octet-stream",
            "description": "PlanetScope metadata, XML or JSON",
        },
        "bands": {
            "type": "string",
            "pattern": r"^[a-z][a-z0-9]{0,15}=[1-9][0-9]{0,2}(,[a-z][a-z0-9]{0,15}=[1-9][0-9]{0,2}){0,31}$",
            "examples": ["blue=1,green=2,red=3,nir=4"],
        },
        "scale": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 1e6,
            "description": "reflectance of one digital number",
            "examples": [0.0001],
        },
        "acquired": {
            "type": "string",
            "format": "date-time",
            "description": "time of acquisition; a day alone is read as its midnight, UTC",
            "examples": ["2020-08-01T14:03:00Z"],
        },
    },
}
_BINARY = {"schema": _FILE}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": _FORM},
            "image/tiff": _BINARY,
            "application/zip": _BINARY,
            "application/json": {"schema": Reference.model_json_schema()},
        },
    }
}


@router.post(
    "",
    status_code=201,
    summary="Upload a scene",
    openapi_extra=_BODY,
    responses={200: {"description": "The same bytes came before: their scene"}},
)
async def upload(request: Request, here: Here, owner: Writer) -> JSONResponse:
    """Take a scene in: a form, or a raw GeoTIFF or zip with `name`, `bands`, `scale`, `acquired` in the query.

    A JSON body names files that lie elsewhere, among the sources that the operator allows; they are fetched afterwards,
    and are then the `parts` of the scene that is answered here: the same scenes that uploading them would make.

    The answer is 201 with the scene's address, or 200 where the same bytes came before. The scene is read
    afterwards; with `Prefer: wait=N` the answer waits up to N seconds (at most 60) for that.
    """
    scene, created = await _take(request, here, owner)
    headers = {"Location": href(request, f"/scenes/{scene.id}")}
    seconds = wait_preferred_s(request)
    if seconds is not None:
        await wait_until(lambda: _read_through(here, owner, scene.id), seconds)
        scene = await run_in_threadpool(_read, here, owner, scene.id)
        headers["Preference-Applied"] = f"wait={seconds}"
    return JSONResponse(scene_state(request, scene), 201 if created else 200, headers=headers)


@router.get("", summary="Scenes, newest upload first")
def scenes(request: Request, here: Here, owner: Reader, limit: Limit = 100, token: Token = "") -> dict[str, Any]:
    """Return a page of scenes in short."""
    with here.sessions() as session:
        query = select(SceneRecord).where(SceneRecord.owner == owner)
        found, following = page(session, query, SceneRecord, limit, token)
    return {"scenes": [scene_state(request, scene) for scene in found], "links": page_links(request, following)}


@router.get("/{scene_id}", summary="A scene", response_class=JSONResponse, responses={200: {"content": {ITEM: {}}}})
def scene(scene_id: str, request: Request, here: Here, owner: Reader) -> JSONResponse:
    """Return the STAC Item of a scene, or its state while it is being read or after it was rejected."""
    with here.sessions() as session:
        found = find_scene(session, owner, scene_id)
        if found.state != SceneState.READY:
            return JSONResponse(scene_state(request, found))
        item = find_item(session, owner, Collection.SCENES, scene_id)
    return JSONResponse(item_document(request, item), media_type=ITEM)


@router.head("/{scene_id}/assets/{name}", include_in_schema=False)
@router.get("/{scene_id}/assets/{name}", summary="A raster of a scene", response_class=Response, responses=PARTS)
def asset(scene_id: str, name: str, request: Request, here: Here, owner: Reader) -> Response:
    """Return a scene's reflectance or clear mask as a COG, or the range of it that was asked for."""
    found = _read(here, owner, scene_id)
    if found.state != SceneState.READY:
        raise SceneNotReady(f"scene {scene_id} is {found.state}; it has no rasters")
    found_asset = asset_of(found, name)
    key = found_asset["href"]
    stat = here.store.stat(key)
    etag = f'"{found.sha256[:32]}-{stat.size:x}-{int(stat.modified):x}"'
    return stored_file(request, here.store, key, media_type=found_asset["type"], etag=etag)


@router.delete("/{scene_id}", status_code=204, summary="Delete a scene")
def delete(scene_id: str, here: Here, owner: Writer) -> Response:
    """Remove a scene and its files; refused while it is being read or a job that is under way reads it."""
    remove_scene(here, owner, scene_id)
    return Response(status_code=204)


async def _take(request: Request, here: Context, owner: str) -> tuple[SceneRecord, bool]:
    if media_type_of(request) == "application/json":
        reference = await read_reference(request)
        return await run_in_threadpool(take_reference, here, owner, reference), True
    with parts_of(here.settings).folder() as folder:
        found = await _within_room(request, here, owner, folder)
        return await run_in_threadpool(take_in, here, owner, found.files, parse_options(found.texts), found.sha256)


async def _within_room(request: Request, here: Context, owner: str, folder: Path) -> Upload:
    """Read an upload as far as its owner may store it; what says that it is larger is not read at all."""
    most = here.settings.max_upload_mb * 1_000_000
    room = await run_in_threadpool(_room, here, owner)
    if room is None or room >= most:
        found = await read_upload(request, folder, most)
    else:
        check_length(request, most)
        try:
            found = await read_upload(request, folder, room)
        except BodyTooLarge as err:
            allowed = here.settings.stored_mb * 1_000_000
            raise full(allowed - room, allowed, declared_length(request) or room + 1) from err
    await run_in_threadpool(_check_room, here, owner, sum(path.stat().st_size for path in found.files.values()))
    return found


def _room(here: Context, owner: str) -> int | None:
    with here.sessions() as session:
        return room_bytes(session, owner, here.settings.stored_mb)


def _check_room(here: Context, owner: str, size: int) -> None:
    """Look again: other uploads of the owner may have come in meanwhile."""
    with here.sessions() as session:
        check_storage(session, owner, here.settings.stored_mb, size)


def _read(here: Context, owner: str, scene_id: str) -> SceneRecord:
    with here.sessions() as session:
        return find_scene(session, owner, scene_id)


def _read_through(here: Context, owner: str, scene_id: str) -> bool:
    """Tell whether an upload, or every scene that it held, is past being read."""
    found = _read(here, owner, scene_id)
    if found.state == SceneState.SPLIT:
        return all(_read(here, owner, part).state != SceneState.RECEIVED for part in found.parts or [])
    return found.state != SceneState.RECEIVED
