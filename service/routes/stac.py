"""STAC API 1.0 and OGC API - Features: collections, items, search."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from service.bodies import small_body
from service.collections import collection_document
from service.conformance import conforms_to
from service.context import Context, Here
from service.identity import Reader
from service.item_links import ITEM, item_document, with_fields
from service.item_pages import Page, collection_of, find_item, find_items
from service.links import href
from service.media import GeoJson, SchemaJson
from service.queryables import queryables
from service.search import MAX_LIMIT, Search, SearchBody, read_body, read_query
from workers.items import Collection
from workers.links import link

router = APIRouter(tags=["catalogue"])

_MAX_BODY_BYTES = 4_000_000
_LIMIT = {"type": "integer", "minimum": 1, "default": 10, "description": f"Most items; at most {MAX_LIMIT} come."}
_NUMBERS = {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 6}
_TEXTS = {"type": "array", "items": {"type": "string"}}
_TEXT = {"type": "string"}


def _parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "style": "form", "explode": False, "schema": schema}


_ITEMS = [
    _parameter("bbox", _NUMBERS),
    _parameter("datetime", _TEXT),
    _parameter("limit", _LIMIT),
    _parameter("sortby", _TEXTS),
    _parameter("fields", _TEXTS),
    _parameter("filter", _TEXT),
    _parameter("filter-lang", {"type": "string", "enum": ["cql2-text", "cql2-json"]}),
    _parameter("token", _TEXT),
]
_SEARCH = [
    *_ITEMS, _parameter("collections", _TEXTS), _parameter("ids", _TEXTS), _parameter("intersects", _TEXT),
]  # fmt: skip
_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": SearchBody.model_json_schema()}}}}


@router.get("/conformance", summary="Standards that the service keeps to")
def conformance(here: Here) -> dict[str, Any]:
    """Return the conformance classes."""
    return {"conformsTo": conforms_to(here.settings)}


@router.get("/queryables", summary="What items of all collections can be searched by", response_class=SchemaJson)
def all_queryables(request: Request) -> SchemaJson:
    """Return a JSON Schema."""
    return SchemaJson(queryables(request, None))


@router.get("/collections", summary="Collections")
def collections(request: Request, here: Here, owner: Reader) -> dict[str, Any]:
    """Return the collections."""
    with here.sessions() as session:
        found = [collection_document(request, one, here.extents.find(session, owner, one)) for one in Collection]
    return {
        "collections": found,
        "links": [link("self", href(request, "/collections")), link("root", href(request, "/"))],
        "numberMatched": len(found),
        "numberReturned": len(found),
    }


@router.get("/collections/{collection_id}", summary="A collection")
def collection(collection_id: str, request: Request, here: Here, owner: Reader) -> dict[str, Any]:
    """Return a collection, with the extent of its items."""
    wanted = collection_of(collection_id)
    with here.sessions() as session:
        return collection_document(request, wanted, here.extents.find(session, owner, wanted))


@router.get(
    "/collections/{collection_id}/queryables",
    summary="What a collection's items can be searched by",
    response_class=SchemaJson,
)
def collection_queryables(collection_id: str, request: Request) -> SchemaJson:
    """Return a JSON Schema."""
    return SchemaJson(queryables(request, collection_of(collection_id)))


@router.get(
    "/collections/{collection_id}/items", summary="Items", response_class=GeoJson, openapi_extra={"parameters": _ITEMS}
)
def items(collection_id: str, request: Request, here: Here, owner: Reader) -> GeoJson:
    """Return a page of a collection's items, newest first."""
    found = collection_of(collection_id)
    return _answer(request, here, owner, read_query(request.query_params, collections=[str(found)]))


@router.get("/collections/{collection_id}/items/{item_id}", summary="An item", response_class=GeoJson)
def item(collection_id: str, item_id: str, request: Request, here: Here, owner: Reader) -> GeoJson:
    """Return a STAC Item."""
    with here.sessions() as session:
        found = find_item(session, owner, collection_of(collection_id), item_id)
    return GeoJson(item_document(request, found))


@router.get("/search", summary="Search items", response_class=GeoJson, openapi_extra={"parameters": _SEARCH})
def search(request: Request, here: Here, owner: Reader) -> GeoJson:
    """Return a page of items that fulfil all that is asked, newest first."""
    return _answer(request, here, owner, read_query(request.query_params))


@router.post("/search", summary="Search items", response_class=GeoJson, openapi_extra=_BODY)
async def post_search(request: Request, here: Here, owner: Reader) -> GeoJson:
    """Return a page of items that fulfil all that is asked, newest first."""
    body = await small_body(request, _MAX_BODY_BYTES, "a search", "simplify its geometry")
    return await run_in_threadpool(lambda: _answer(request, here, owner, read_body(body), body))


def _answer(request: Request, here: Context, owner: str, asked: Search, body: bytes = b"") -> GeoJson:
    with here.sessions() as session:
        page = find_items(session, owner, asked)
    found = {
        "type": "FeatureCollection",
        "features": [with_fields(item_document(request, one), asked.fields) for one in page.items],
        "links": _links(request, page, body),
        "numberReturned": len(page.items),
        **({} if page.matched is None else {"numberMatched": page.matched}),
    }
    return GeoJson(found)


def _links(request: Request, page: Page, body: bytes) -> list[dict[str, Any]]:
    links = [link("self", str(request.url), ITEM), link("root", href(request, "/"))]
    if not page.following:
        return links
    if request.method == "GET":
        address = str(request.url.include_query_params(token=page.following))
        return [*links, {**link("next", address, ITEM), "method": "GET"}]
    again = {**json.loads(body), "token": page.following}
    return [*links, {**link("next", str(request.url), ITEM), "method": "POST", "body": again}]
