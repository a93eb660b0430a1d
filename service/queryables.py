"""What items can be searched and sorted by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import Request
from sqlalchemy import ColumnElement
from sqlalchemy.orm import InstrumentedAttribute

from service.links import href
from workers.items import Collection, ItemRecord

Kind = Literal["text", "number", "time"]
SCHEMA = "application/schema+json"


@dataclass(frozen=True)
class Queryable:
    """A property with a column of its own; other properties are looked up in the Item, which takes longer."""

    column: InstrumentedAttribute[Any] | ColumnElement[Any]
    kind: Kind
    schema: Mapping[str, Any]


QUERYABLES: Mapping[str, Queryable] = {
    "id": Queryable(ItemRecord.id, "text", {"title": "Item", "type": "string"}),
    "collection": Queryable(
        ItemRecord.collection, "text", {"title": "Collection", "type": "string", "enum": list(Collection)}
    ),
    "datetime": Queryable(
        ItemRecord.acquired, "time", {"title": "Time of acquisition", "type": "string", "format": "date-time"}
    ),
    "created": Queryable(
        ItemRecord.created, "time", {"title": "Time of entering", "type": "string", "format": "date-time"}
    ),
    "platform": Queryable(ItemRecord.platform, "text", {"title": "Satellite", "type": "string"}),
    "gsd": Queryable(ItemRecord.gsd_m, "number", {"title": "Pixel size in metres", "type": "number", "minimum": 0}),
    "eo:cloud_cover": Queryable(
        ItemRecord.cloud_pct, "number", {"title": "Cloud in percent", "type": "number", "minimum": 0, "maximum": 100}
    ),
}

_OF_COLLECTION: Mapping[Collection, Mapping[str, Any]] = {
    Collection.SCENES: {"proj:code": {"title": "CRS", "type": "string"}},
    Collection.MASKS: {
        "chronoseg:model": {"title": "Model, name@version", "type": "string"},
        "chronoseg:job": {"title": "Job", "type": "string"},
    },
}
_OF_ONE = ("platform", "eo:cloud_cover")  # masks have neither


def queryables(request: Request, collection: Collection | None) -> dict[str, Any]:
    """Return the queryables of a collection, or what all collections share, as JSON Schema.

    Source: OGC API - Features - Part 3: Filtering 1.0, 6.2.
    """
    named = {name: dict(queryable.schema) for name, queryable in QUERYABLES.items()}
    if collection is not Collection.SCENES:
        named = {name: schema for name, schema in named.items() if name not in _OF_ONE}
    place = f"/collections/{collection}" if collection else ""
    return {
        "$schema": "https://json-schema.org/draft/2019-09/schema",
        "$id": href(request, f"{place}/queryables"),
        "type": "object",
        "title": f"Queryables of {collection or 'all collections'}",
        "properties": {
            **named,
            "geometry": {"title": "Footprint", "$ref": "https://geojson.org/schema/Geometry.json"},
            **(_OF_COLLECTION[collection] if collection else {}),
        },
        "additionalProperties": True,
    }
