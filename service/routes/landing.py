"""The landing page: of the service, of its STAC catalogue and of both its OGC APIs; and the API's description."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from service.collections import QUERYABLES_REL, STAC_VERSION
from service.conformance import conforms_to
from service.context import context_of
from service.item_links import ITEM
from service.links import href
from service.media import OpenApi30
from service.openapi import as_openapi_30
from service.queryables import SCHEMA
from workers.items import Collection
from workers.links import link

router = APIRouter(tags=["service"])

TITLE = "chronoseg"
DESCRIPTION = "Land-cover change from satellite time series: scenes and an area go in, georeferenced masks come out."
_OGC = "http://www.opengis.net/def/rel/ogc/1.0"


@router.get("/", summary="Where everything is")
def landing(request: Request) -> dict[str, Any]:
    """Return the STAC catalogue, with links to everything."""
    here = href(request, "")
    search = link("search", f"{here}/search", ITEM, "search items")
    return {
        "type": "Catalog",
        "stac_version": STAC_VERSION,
        "id": "chronoseg",
        "title": TITLE,
        "description": DESCRIPTION,
        "conformsTo": conforms_to(context_of(request).settings),
        "links": [
            link("self", here + "/"),
            link("root", here + "/"),
            link("service-desc", here + "/api", OpenApi30.media_type, "OpenAPI 3.0 definition"),
            link("service-doc", here + "/docs", "text/html", "documentation to try out"),
            link("conformance", here + "/conformance", title="standards that the service keeps to"),
            link("data", here + "/collections", title="collections"),
            *(link("child", f"{here}/collections/{one}", title=str(one)) for one in Collection),
            {**search, "method": "GET"},
            {**search, "method": "POST"},
            link(QUERYABLES_REL, here + "/queryables", SCHEMA, "what items can be searched by"),
            link(f"{_OGC}/processes", here + "/processes", title="processes"),
            link(f"{_OGC}/job-list", here + "/jobs", title="jobs"),
            link("scenes", here + "/scenes", title="uploaded scenes"),
            link("models", here + "/models", title="installed models"),
            link("health", here + "/health", title="state of the service"),
        ],
    }


@router.get("/api", summary="This API as OpenAPI 3.0", response_class=OpenApi30)
def api(request: Request) -> OpenApi30:
    """Return the definition in the version that the OGC's standards ask for; /openapi.json holds 3.1."""
    return OpenApi30(as_openapi_30(request.app.openapi()))
