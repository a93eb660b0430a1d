"""The transaction extension of STAC API for the collection `scenes`: Items by reference, their words, their end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from service.bodies import body_validation, small_body
from service.catalogue import scene_state
from service.context import Context, Here
from service.errors import BodyMalformed, InputsRefused
from service.identity import Writer
from service.item_links import item_document
from service.item_pages import collection_of, find_item
from service.links import href
from service.media import GeoJson
from service.references import take_reference
from service.removing import remove_scene
from service.transactions import ItemBody, reference_of, replaced, reworded
from service.waiting import wait_preferred_s, wait_until
from workers.database import writing
from workers.items import Collection
from workers.records import SceneRecord, SceneState, now, stamp
from workers.scenes import find_scene

router = APIRouter(prefix="/collections/{collection_id}/items", tags=["catalogue"])

_MAX_BODY_BYTES = 1_000_000
_OBJECT = {"schema": {"type": "object"}}
_PATCH = {"requestBody": {"required": True, "content": {"application/json": _OBJECT}}}
_ITEM = {"schema": ItemBody.model_json_schema()}
_BODY = {"requestBody": {"required": True, "content": {"application/json": _ITEM, "application/geo+json": _ITEM}}}


async def document_of(request: Request) -> dict[str, Any]:
    """Read a body that is a JSON object.

    Raises:
        BodyMalformed: it is something else.
        BodyTooLarge: no Item is as long as that.
    """
    body = await small_body(request, _MAX_BODY_BYTES, "an Item")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as err:
        raise BodyMalformed("expected a JSON object; the body is not JSON") from err
    if not isinstance(found, dict):
        raise BodyMalformed(f"expected a JSON object; got {type(found).__name__}")
    return found


Document = Annotated[dict[str, Any], Depends(document_of)]


@router.post(
    "",
    status_code=202,
    summary="Take in a scene by reference",
    openapi_extra=_BODY,
    response_class=JSONResponse,
    responses={201: {"description": "The Item, ready within the time that the client would wait"}},
)
async def create(collection_id: str, owner: Writer, document: Document, request: Request, here: Here) -> Response:
    """Have an Item's files fetched: 202, and its state at the address in Location.

    With `Prefer: wait=N` it is 201 with the Item, where that is ready by then. The service chooses the Item's id: the
    same bytes are one Item. Only what the rasters and their metadata say becomes part of it.
    """
    _check_scenes(collection_id)
    with body_validation():
        reference = reference_of(ItemBody.model_validate(document))
    scene = await run_in_threadpool(take_reference, here, owner, reference)
    seconds = wait_preferred_s(request)
    headers = {"Location": href(request, f"/scenes/{scene.id}")}
    if seconds is not None:
        await wait_until(lambda: _made(here, owner, scene.id) is not None, seconds)
        headers["Preference-Applied"] = f"wait={seconds}"
        made = await run_in_threadpool(_made, here, owner, scene.id)
        if made is not None and made.state == SceneState.READY:
            item = await run_in_threadpool(_shown, request, here, owner, made.id)
            headers["Location"] = href(request, f"/collections/scenes/items/{made.id}")
            return GeoJson(item, 201, headers=headers)
        scene = made or scene
    return JSONResponse(scene_state(request, scene), 202, headers=headers)


@router.put("/{item_id}", summary="Rewrite an Item's words", response_class=GeoJson, openapi_extra=_BODY)
def replace(
    collection_id: str, item_id: str, owner: Writer, document: Document, request: Request, here: Here
) -> GeoJson:
    """Replace an Item's title, description, keywords, license and providers; all else must be as it is."""
    return _changed(request, here, owner, collection_id, item_id, lambda item: replaced(item, document))


@router.patch("/{item_id}", summary="Change an Item's words", response_class=GeoJson, openapi_extra=_PATCH)
def update(
    collection_id: str, item_id: str, owner: Writer, document: Document, request: Request, here: Here
) -> GeoJson:
    """Change some of an Item's words, as a JSON Merge Patch."""
    return _changed(request, here, owner, collection_id, item_id, lambda item: reworded(item, document))


@router.delete("/{item_id}", status_code=204, summary="Delete an Item and its scene", response_class=Response)
def delete(collection_id: str, item_id: str, here: Here, owner: Writer) -> Response:
    """Remove a scene, as DELETE /scenes/{id} does."""
    _check_scenes(collection_id)
    with here.sessions() as session:
        find_item(session, owner, Collection.SCENES, item_id)
    remove_scene(here, owner, item_id)
    return Response(status_code=204)


def _changed(
    request: Request,
    here: Context,
    owner: str,
    collection_id: str,
    item_id: str,
    change: Callable[[dict[str, Any]], dict[str, Any]],
) -> GeoJson:
    _check_scenes(collection_id)
    with writing(here.sessions) as session:
        find_item(session, owner, Collection.SCENES, item_id)
        scene = find_scene(session, owner, item_id)
        item = change(dict(scene.item or {}))
        scene.item = {**item, "properties": {**item["properties"], "updated": stamp(now())}}
    return GeoJson(_shown(request, here, owner, item_id))


def _check_scenes(collection_id: str) -> None:
    if collection_of(collection_id) is not Collection.SCENES:
        raise InputsRefused("masks are a job's: start one to have more, dismiss it to remove its masks")


def _made(here: Context, owner: str, scene_id: str) -> SceneRecord | None:
    """Return what became of a reference: the scene of its bytes, or itself where it was rejected; None until then."""
    with here.sessions() as session:
        found = find_scene(session, owner, scene_id)
        if found.state == SceneState.SPLIT:
            found = find_scene(session, owner, found.parts[0])
        return None if found.state == SceneState.RECEIVED else found


def _shown(request: Request, here: Context, owner: str, item_id: str) -> dict[str, Any]:
    with here.sessions() as session:
        return item_document(request, find_item(session, owner, Collection.SCENES, item_id))
