"""STAC Items as the API shows them: absolute addresses, links, and the fields that were asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import Request

from service.item_pages import Found
from service.links import href
from service.media import PNG
from service.search import Fields
from service.tile_paths import is_drawn, layer_id, product_tiles, scene_tiles
from workers.items import Collection, ItemRecord
from workers.links import link
from workers.records import stamp

ITEM = "application/geo+json"
WEB_MAP_LINKS = "https://stac-extensions.github.io/web-map-links/v1.2.0/schema.json"
_ALWAYS = ("type", "id", "collection")


def item_document(request: Request, found: Found) -> dict[str, Any]:
    """Return an Item whose assets and links have addresses in place of the store's keys and relative paths."""
    record, document = found.record, found.document
    place = href(request, f"/collections/{record.collection}")
    root = href(request, "/")
    changed = {"updated": document["properties"].get("updated", stamp(record.created))}
    maps = list(_map_links(request, record, document))
    extensions = document.get("stac_extensions", [])
    return {
        **document,
        "stac_extensions": [*extensions, WEB_MAP_LINKS] if maps else extensions,
        "collection": record.collection,
        "properties": {**document["properties"], "created": stamp(record.created), **changed},
        "assets": {
            name: {**asset, "href": href(request, _address(record.collection, asset["href"]))}
            for name, asset in document["assets"].items()
        },
        "links": [
            link("self", f"{place}/items/{record.id}", ITEM),
            link("root", root),
            link("parent", place),
            link("collection", place),
            *({**one, "href": href(request, one["href"])} for one in document["links"]),
            *maps,
        ],
    }


def with_fields(item: dict[str, Any], fields: Fields) -> dict[str, Any]:
    """Return the parts of an Item that are wanted: those that are included, or all; less those that are excluded.

    What is named in both is included.

    Source: STAC API, Fields Extension 1.0.
    """
    include, exclude = fields.include or [], fields.exclude or []
    shown = {name: item[name] for name in _ALWAYS} if include else dict(item)
    for path in include:
        _copy(item, shown, path.split("."))
    for path in exclude:
        if not any(f"{wanted}.".startswith(f"{path}.") for wanted in include):
            _drop(shown, path.split("."))
    return shown


def _map_links(request: Request, record: ItemRecord, document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield where a map finds an Item's rasters as tiles.

    Source: STAC, Web Map Links Extension 1.2.
    """
    for name, asset in document["assets"].items():
        _, owner, file = asset["href"].split("/", 2)
        if record.collection == Collection.SCENES:
            if name != "reflectance":
                continue
            path, layer = scene_tiles(owner), owner
        elif is_drawn(file):
            path, layer = product_tiles(owner, file), layer_id(owner, file)
        else:
            continue
        base, title = href(request, path), asset.get("title", name)
        yield link("xyz", f"{base}/{{z}}/{{x}}/{{y}}.png", PNG, title)
        yield link("tilejson", f"{base}/tilejson.json", title=title)
        wmts = link("wmts", f"{base}/WMTSCapabilities.xml", "application/xml", title)
        yield {**wmts, "wmts:layer": layer}


def _address(collection: str, key: str) -> str:
    """Return the path at which a file of the store is read."""
    folder, owner, name = key.split("/", 2)
    return f"/{folder}/{owner}/assets/{name}" if collection == Collection.SCENES else f"/{folder}/{owner}/{name}"


def _copy(item: dict[str, Any], shown: dict[str, Any], path: list[str]) -> None:
    name, *rest = path
    if name not in item:
        return
    if not rest:
        shown[name] = item[name]
    elif isinstance(item[name], dict):
        inner = shown.setdefault(name, {})
        _copy(item[name], inner, rest)


def _drop(shown: dict[str, Any], path: list[str]) -> None:
    name, *rest = path
    if not rest:
        shown.pop(name, None)
    elif isinstance(shown.get(name), dict):
        shown[name] = dict(shown[name])
        _drop(shown[name], rest)
