"""A search of the catalogue: what GET and POST ask, read into one form."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.conditions import All, Condition, Meets, Test
from service.cql import read_filter
from service.errors import SearchRefused
from service.instants import read_interval
from service.queryables import QUERYABLES
from service.shapes import read_bbox, read_geometry
from workers.items import Collection, ItemRecord

MAX_LIMIT = 1000
"""Most items on a page; who asks for more gets this many, and a link to the next page."""

_DEFAULT_ORDER = (("datetime", True),)


class SortField(BaseModel):
    """One property of `sortby`."""

    model_config = ConfigDict(extra="forbid")

    field: str
    direction: Literal["asc", "desc"] = "asc"


class Fields(BaseModel):
    """Which parts of an item are wanted, as dotted paths."""

    model_config = ConfigDict(extra="forbid")

    include: list[str] | None = None
    exclude: list[str] | None = None


class SearchBody(BaseModel):
    """Body of a search by POST. Source: STAC API 1.0, item-search, with sort, fields and filter."""

    model_config = ConfigDict(extra="forbid")

    collections: Annotated[list[str] | None, Field(description="Any of: scenes, masks.")] = None
    ids: Annotated[list[str] | None, Field(max_length=10_000)] = None
    bbox: Annotated[
        list[float] | None, Field(description="west, south, east, north; west > east across the antimeridian.")
    ] = None
    intersects: Annotated[dict[str, Any] | None, Field(description="A GeoJSON geometry, WGS84.")] = None
    datetime: Annotated[str | None, Field(max_length=100, description="RFC 3339 time, or start/end; `..` is open.")] = (
        None
    )
    limit: Annotated[int, Field(ge=1, description=f"Most items on a page; at most {MAX_LIMIT} come.")] = 10
    sortby: Annotated[list[SortField] | None, Field(max_length=5)] = None
    fields: Fields = Fields()
    filter: Annotated[dict[str, Any] | str | None, Field(description="CQL2 as JSON, or as text.")] = None
    filter_lang: Annotated[Literal["cql2-json", "cql2-text"] | None, Field(alias="filter-lang")] = None
    filter_crs: Annotated[Literal["http://www.opengis.net/def/crs/OGC/1.3/CRS84"] | None, Field(alias="filter-crs")] = (
        None
    )
    token: Annotated[str | None, Field(max_length=2000, description="Where the page begins; comes with `next`.")] = None


@dataclass(frozen=True)
class Search:
    """What items are asked for, and how.

    Attributes:
        condition: what they must fulfil.
        order: queryable and whether it falls, the first that counts first.
        fields: which parts of an item are wanted; none named: all.
        limit: most items on a page.
        token: where the page begins, or "".
        counted: it is cheap to count what fulfils the condition.
        by_id: it names the items.
    """

    condition: Condition
    order: tuple[tuple[str, bool], ...]
    fields: Fields
    limit: int
    token: str
    counted: bool
    by_id: bool


def read_query(query: Mapping[str, str], **given: Any) -> Search:
    """Read a search from the parameters of a GET.

    Args:
        query: as they came.
        given: what the path says, such as collections.

    Raises:
        SearchRefused: a parameter is unknown or cannot be read.
    """
    values: dict[str, Any] = dict(given)
    for name, text in query.items():
        if name in values:
            raise SearchRefused(f"the parameter {name!r} cannot be given here")
        values[name] = _parsed(name, text)
    return read_body(values)


def read_body(values: Mapping[str, Any] | bytes) -> Search:
    """Read a search from the body of a POST, raw or parsed.

    Raises:
        SearchRefused: a part is unknown or cannot be read.
    """
    try:
        if isinstance(values, bytes):
            body = SearchBody.model_validate_json(values)
        else:
            body = SearchBody.model_validate(values)
    except ValidationError as err:
        wrong = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in err.errors()[:5]]
        raise SearchRefused("; ".join(wrong).removeprefix(": ")) from err
    return Search(
        condition=All(tuple(_conditions(body))),
        order=tuple(_order(one) for one in body.sortby) if body.sortby else _DEFAULT_ORDER,
        fields=body.fields,
        limit=min(body.limit, MAX_LIMIT),
        token=body.token or "",
        counted=not (body.bbox or body.intersects or body.filter),
        by_id=bool(body.ids),
    )


def _parsed(name: str, text: str) -> Any:
    """Turn a parameter of a query into what a body would hold."""
    read = _READ.get(name)
    try:
        return text if read is None else read(text)
    except (ValueError, RecursionError) as err:
        raise SearchRefused(f"the parameter {name} cannot be read: {text[:100]!r}") from err


def _words(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _sort_fields(text: str) -> list[dict[str, str]]:
    return [
        {"field": word.lstrip("+- "), "direction": "desc" if word.startswith("-") else "asc"} for word in _words(text)
    ]


def _fields(text: str) -> dict[str, list[str]]:
    return {
        "include": [word.removeprefix("+") for word in _words(text) if not word.startswith("-")],
        "exclude": [word[1:] for word in _words(text) if word.startswith("-")],
    }


_READ: Mapping[str, Callable[[str], Any]] = {
    "collections": _words,
    "ids": _words,
    "bbox": lambda text: [float(part) for part in text.split(",")],
    "limit": int,
    "intersects": json.loads,
    "sortby": _sort_fields,
    "fields": _fields,
}


def _conditions(body: SearchBody) -> list[Condition]:
    found: list[Condition] = []
    if body.collections:
        found.append(Test(ItemRecord.collection.in_(body.collections)))
    if body.ids:
        found.append(Test(ItemRecord.collection.in_(list(Collection)) & ItemRecord.id.in_(body.ids)))
    if body.bbox is not None and body.intersects is not None:
        raise SearchRefused("a search takes bbox or intersects, not both")
    if body.bbox is not None:
        found.append(Meets(read_bbox(body.bbox)))
    if body.intersects is not None:
        found.append(Meets(read_geometry(body.intersects)))
    if body.datetime is not None:
        found += [Test(bound) for bound in _during(*read_interval(body.datetime))]
    if body.filter is not None:
        language = body.filter_lang or ("cql2-text" if isinstance(body.filter, str) else "cql2-json")
        found.append(read_filter(body.filter, language))
    return found


def _during(start: datetime | None, end: datetime | None) -> list[Any]:
    bounds = []
    if start is not None:
        bounds.append(ItemRecord.acquired >= start)
    if end is not None:
        bounds.append(ItemRecord.acquired <= end)
    return bounds


def _order(one: SortField) -> tuple[str, bool]:
    name = one.field.removeprefix("properties.")
    if name not in QUERYABLES:
        raise SearchRefused(f"items cannot be sorted by {one.field[:100]!r}; there are: {', '.join(QUERYABLES)}")
    return name, one.direction == "desc"
