"""The process `segment`: its description, and its inputs checked as far as that is cheap."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, field_validator

from models.engines.flips import check_averages
from models.errors import ModelUnknown, ModelUnsuited
from models.registry import find_model
from service.area_schema import AREA_SCHEMA
from service.defaults import MIN_AREA_HA, SIMPLIFY_PX
from service.errors import InputsRefused
from service.links import href
from service.outputs import OUTPUTS
from workers.links import link
from workers.statuses import PROCESS

VERSION = "1.0.0"


class SegmentInputs(BaseModel):
    """Inputs of the process."""

    model_config = ConfigDict(extra="forbid")

    aoi: Annotated[
        dict[str, Any],
        Field(description="Area of interest: GeoJSON Polygon, MultiPolygon, Feature or FeatureCollection, WGS84."),
        WithJsonSchema(AREA_SCHEMA),
    ]
    period: Annotated[
        str,
        Field(
            max_length=100,
            description="Days as start/end, both inclusive, UTC; `..` leaves an end open; one day stands for itself.",
            examples=["2020-07-01/2020-10-31", "2020-07-01/..", "2020-08-15"],
        ),
    ] = "../.."
    model: Annotated[str, Field(max_length=100, description="Name or name@version of an installed model.")]
    date_by: Annotated[
        Literal["day", "pass", "satellite"], Field(description="Which scenes are read as one date of the output.")
    ] = "day"
    min_area_ha: Annotated[float, Field(ge=0, le=1e6, description="Smallest polygon in hectares; 0: all.")] = (
        MIN_AREA_HA
    )
    simplify_px: Annotated[
        float, Field(ge=0, le=100, description="Tolerance of the polygons' outlines in pixels; 0: the pixels' edges.")
    ] = SIMPLIFY_PX
    tta: Annotated[
        bool,
        Field(description="Test-time augmentation: the mean over four mirror images, at four times the time."),
    ] = False

    @field_validator("period")
    @classmethod
    def _readable(cls, period: str) -> str:
        start, end = parse_period(period)
        if start is not None and end is not None and start > end:
            raise ValueError(f"the period ends before it begins: {period}")
        return period


class WrittenInputs(BaseModel):
    """The inputs, at the place where a request has them."""

    inputs: SegmentInputs


def parse_period(text: str) -> tuple[date | None, date | None]:
    """Read `2020-07-01/2020-10-31`, `../2020-10-31`, `2020-07-01/..` or `2020-07-01`; times are cut to their day.

    Raises:
        ValueError: the text has another form.
    """
    parts = text.split("/")
    if len(parts) > 2:
        raise ValueError(f"expected a period as start/end; got {text!r}")
    start, end = _day(parts[0], text), _day(parts[-1], text)
    return start, end


def check_inputs(inputs: SegmentInputs, folders: Sequence[Path], max_aoi_km2: float) -> dict[str, Any]:
    """Check what needs no scene, and return the inputs as a job keeps them.

    The model's version is pinned, the period made of days, and what was repaired in the area is noted.

    Args:
        inputs: as they came.
        folders: with the user's own checkpoints.
        max_aoi_km2: largest area.

    Raises:
        AreaRefused: the area cannot be used or is too large.
        InputsRefused: the model is unknown, or cannot do what is asked.
    """
    from geo.aoi import check_area, parse_aoi

    try:
        card, _ = find_model(inputs.model, folders)
        if inputs.tta:
            check_averages(card)
    except (ModelUnknown, ModelUnsuited) as err:
        raise InputsRefused(str(err)) from err
    area = parse_aoi(inputs.aoi)
    check_area(area, max_aoi_km2)
    start, end = parse_period(inputs.period)
    days = {"start": str(start or ""), "end": str(end or "")}
    return {**inputs.model_dump(exclude={"period"}), **days, "model": card.id, "notes": list(area.notes)}


def summary(request: Request) -> dict[str, Any]:
    """Return the process in short, as a list of processes holds it."""
    here = href(request, f"/processes/{PROCESS}")
    execute = "http://www.opengis.net/def/rel/ogc/1.0/execute"
    return {
        "id": PROCESS,
        "title": "Land-cover change from a series of scenes",
        "description": "Picks the scenes that fit an area and a period, runs a recurrent network over their dates in "
        "order, and returns a mask for every date, the day of change, confidence, polygons and areas.",
        "version": VERSION,
        "jobControlOptions": ["async-execute", "dismiss"],
        "outputTransmission": ["reference", "value"],
        "links": [link("self", here), link(execute, f"{here}/execution", title="start a job")],
    }


def description(request: Request, model_ids: Sequence[str]) -> dict[str, Any]:
    """Return the whole description of the process, its inputs as JSON Schema."""
    schema = SegmentInputs.model_json_schema()
    required = set(schema["required"])
    inputs = {
        name: {
            "title": name,
            "description": part.get("description", ""),
            "minOccurs": int(name in required),
            "schema": {key: value for key, value in part.items() if key not in {"title", "description"}},
        }
        for name, part in schema["properties"].items()
    }
    inputs["model"]["schema"] = {"type": "string", "examples": list(model_ids)}
    outputs = {name: {"title": title, "schema": media} for name, (title, media) in OUTPUTS.items()}
    return {**summary(request), "inputs": inputs, "outputs": outputs}


def _day(text: str, period: str) -> date | None:
    text = text.strip()
    if text in {"", ".."}:
        return None
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
        day = (time if time.tzinfo is None else time.astimezone(UTC)).date()
    except (ValueError, OverflowError) as err:
        raise ValueError(f"expected days as 2020-07-01/2020-10-31; got {period!r}") from err
    if not 1900 <= day.year <= 2999:
        raise ValueError(f"expected years from 1900 to 2999; got {period!r}")
    return day
