"""The outputs of the process `segment`, and what a client may want of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field

from service.errors import InputsRefused
from service.files import COG
from service.media import essence
from workers.results import Form, Transmission, Wanted


def check_outputs(asked: Mapping[str, OutputAsked] | None, response: Form | None) -> Wanted:
    """Check what is wanted of the results.

    Where nothing is said, it is a document with the address of every product: products are rasters of gigabytes.

    Raises:
        InputsRefused: the process has no such output, or not in that format.
    """
    others: Transmission = "value" if response == "raw" else "reference"
    for name, one in (asked or {}).items():
        if name not in OUTPUTS:
            raise InputsRefused(f"outputs: no output {name[:100]!r}; there are: {', '.join(OUTPUTS)}")
        own, wanted = OUTPUTS[name][1]["contentMediaType"], one.format.mediaType if one.format else None
        if wanted is not None and essence(wanted) != essence(own):
            raise InputsRefused(f"outputs.{name}: expected the format {own}; got {wanted[:100]!r}")
    if asked is None:
        return Wanted(response or "document", None, others)
    return Wanted(response or "document", {name: one.transmissionMode or others for name, one in asked.items()}, others)


class FormatAsked(BaseModel):
    """In which format an output is wanted."""

    mediaType: Annotated[str | None, Field(max_length=200)] = None  # noqa: N815


class OutputAsked(BaseModel):
    """How an output is wanted."""

    transmissionMode: Transmission | None = None  # noqa: N815
    format: FormatAsked | None = None


def _media(media_type: str) -> dict[str, Any]:
    return {"type": "string", "contentMediaType": media_type}


OUTPUTS = {
    "mask_YYYYMMDD.tif": ("class of every pixel, one file per date", _media(COG)),
    "instances_YYYYMMDD.tif": ("number of the instance at every pixel, of networks that find some", _media(COG)),
    "instances_YYYYMMDD.geojson": ("outlines of the instances", _media("application/geo+json")),
    "change_date.tif": ("day of change, days since 1970-01-01", _media(COG)),
    "confidence.tif": ("confidence of the last class, 0-100", _media(COG)),
    "last_look.tif": ("day of the last clear look, days since 1970-01-01", _media(COG)),
    "polygons.geojson": ("polygons of every class", _media("application/geo+json")),
    "polygons.gpkg": ("polygons of every class", _media("application/geopackage+sqlite3")),
    "polygons.fgb": ("polygons of every class", _media("application/vnd.flatgeobuf")),
    "polygons.parquet": ("polygons of every class", _media("application/vnd.apache.parquet")),
    "areas.csv": ("hectares per class and date", _media("text/csv")),
}
