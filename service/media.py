"""Answers of other media types than plain JSON, so that the OpenAPI document names them too."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import Response
from fastapi.responses import JSONResponse

PNG = "image/png"


def essence(media_type: str) -> str:
    """Return a media type without its parameters, in lower case."""
    return media_type.split(";", maxsplit=1)[0].strip().lower()


class GeoJson(JSONResponse):
    """A STAC Item, or a page of them; the largest documents here, so written by the quickest writer."""

    media_type = "application/geo+json"

    def render(self, content: Any) -> bytes:
        """Write the document as UTF-8."""
        return orjson.dumps(content)


class SchemaJson(JSONResponse):
    """A JSON Schema."""

    media_type = "application/schema+json"


class OpenApi30(JSONResponse):
    """An OpenAPI 3.0 document."""

    media_type = "application/vnd.oai.openapi+json;version=3.0"


class WmtsXml(Response):
    """A WMTS document of capabilities."""

    media_type = "application/xml"
