"""The catalogue's collections as STAC writes them."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.item_links import ITEM
from service.links import href
from service.queryables import SCHEMA
from workers.items import Collection, ItemRecord
from workers.links import link
from workers.records import stamp

QUERYABLES_REL = "http://www.opengis.net/def/rel/ogc/1.0/queryables"
STAC_VERSION = "1.1.0"
_TEXTS = {
    Collection.SCENES: (
        "Scenes",
        "Acquisitions as surface reflectance with a mask of clear pixels, one grid each.",
        ["reflectance", "satellite", "time series"],
    ),
    Collection.MASKS: (
        "Masks",
        "Results of jobs: land-cover classes for every date; the last date of a job also holds the day of change, "
        "confidence, polygons and areas.",
        ["land cover", "change", "segmentation"],
    ),
}


def collection_document(request: Request, session: Session, owner: str, collection: Collection) -> dict[str, Any]:
    """Return a collection with the extent of what its owner has in it."""
    title, description, keywords = _TEXTS[collection]
    here = href(request, f"/collections/{collection}")
    root = href(request, "/")
    return {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "stac_extensions": [],
        "id": str(collection),
        "title": title,
        "description": description,
        "keywords": keywords,
        "license": "other",
        "extent": _extent(session, owner, collection),
        "links": [
            link("self", here),
            link("root", root),
            link("parent", root),
            link("items", f"{here}/items", ITEM, "its items"),
            link(QUERYABLES_REL, f"{here}/queryables", SCHEMA, "what its items can be searched by"),
        ],
    }


def _extent(session: Session, owner: str, collection: Collection) -> dict[str, Any]:
    item = ItemRecord
    wanted = select(
        func.min(item.acquired), func.max(item.acquired), func.min(item.south), func.max(item.north),
        func.min(item.west), func.max(item.east), func.max(item.west - item.east),
    ).where(item.owner == owner, item.collection == collection)  # fmt: skip
    start, end, south, north, west, east, overlap = session.execute(wanted).one()
    bbox = [-180.0, -90.0, 180.0, 90.0]
    if start is not None:
        bbox = [-180.0, south, 180.0, north] if overlap > 0 else [west, south, east, north]
    return {"spatial": {"bbox": [bbox]}, "temporal": {"interval": [[start and stamp(start), end and stamp(end)]]}}
