"""Answers of other media types than plain JSON, so that the OpenAPI document names them too."""

from __future__ import annotations

from fastapi.responses import JSONResponse


class GeoJson(JSONResponse):
    """A STAC Item, or a page of them."""

    media_type = "application/geo+json"


class SchemaJson(JSONResponse):
    """A JSON Schema."""

    media_type = "application/schema+json"


class OpenApi30(JSONResponse):
    """An OpenAPI 3.0 document."""

    media_type = "application/vnd.oai.openapi+json;version=3.0"
