"""The catalogue's collections as STAC writes them."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from service.item_links import ITEM
from service.links import href
from service.queryables import SCHEMA
from workers.items import Collection
from workers.links import link

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


def collection_document(request: Request, collection: Collection, extent: dict[str, Any]) -> dict[str, Any]:
    """Return a collection with the extent of what its owner has in it (`service.extents`)."""
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
        "extent": extent,
        "links": [
            link("self", here),
            link("root", root),
            link("parent", root),
            link("items", f"{here}/items", ITEM, "its items"),
            link(QUERYABLES_REL, f"{here}/queryables", SCHEMA, "what its items can be searched by"),
        ],
    }
