"""SQL over the catalogue's items that SQLite and Postgres write differently."""

from __future__ import annotations

import json
import re
from typing import Any

from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry
from sqlalchemy import JSON, Boolean, ColumnElement, Float, String, and_, func, literal, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from typing_extensions import override

from workers.items import ItemRecord
from workers.records import SceneRecord

FEW = 2000
"""Boxes up to which the spatial index comes first, and the order afterwards."""

DOCUMENT: ColumnElement[dict[str, Any]] = func.coalesce(ItemRecord.document, SceneRecord.item, type_=JSON())
"""The Item itself; needs the scene's record joined from outside."""


def indexed_near(geometry: BaseGeometry) -> ColumnElement[bool]:
    """Test through the spatial index whether an item's box meets that of a geometry.

    SQLite looks at FEW + 1 boxes for each part of the geometry: enough to tell that these are too many, or to have all.
    """
    return or_(*(_Boxed(*(literal(value) for value in (*part.bounds, FEW + 1))) for part in _parts(geometry)))


def plain_near(geometry: BaseGeometry) -> ColumnElement[bool]:
    """Test the same item by item: quicker where so many pass that the first few soon fill a page."""
    return or_(*(_overlaps(*part.bounds) for part in _parts(geometry)))


def like(column: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
    r"""Test a text against a pattern of CQL2: % any characters, _ one, \ before either itself; case counts."""
    return _Like(column, literal(pattern), literal(_glob(pattern)))


def text_of(name: str) -> ColumnElement[str]:
    """Return a property of the Item where it is a text, else NULL."""
    return _TextOf(DOCUMENT, literal(name), literal(_path(name)))


def number_of(name: str) -> ColumnElement[float]:
    """Return a property of the Item where it is a number, else NULL."""
    return _NumberOf(DOCUMENT, literal(name), literal(_path(name)))


def is_missing(name: str) -> ColumnElement[bool]:
    """Test whether the Item lacks a property or has null there."""
    return _IsMissing(DOCUMENT, literal(name), literal(_path(name)))


def _parts(geometry: BaseGeometry) -> list[BaseGeometry]:
    """Return what is searched box by box: parts apart, as those on both sides of the antimeridian."""
    parts = list(getattr(geometry, "geoms", [geometry]))
    return parts if len(parts) <= 4 and all(isinstance(part, Polygon) for part in parts) else [geometry]


def _overlaps(west: float, south: float, east: float, north: float) -> ColumnElement[bool]:
    item = ItemRecord
    whole = and_(item.west <= item.east, item.west <= east, item.east >= west)
    crossing = and_(item.west > item.east, or_(item.west <= east, item.east >= west))
    return and_(item.south <= north, item.north >= south, or_(whole, crossing))


def _path(name: str) -> str:
    """Return a property's path for SQLite; names with quotes are refused before."""
    return f"$.properties.{json.dumps(name, ensure_ascii=False)}"


def _glob(pattern: str) -> str:
    signs = {"%": "*", "_": "?"}
    pieces = re.findall(r"\\.|.", pattern, re.DOTALL)
    return "".join(signs.get(piece) or (f"[{piece[-1]}]" if piece[-1] in "*?[" else piece[-1]) for piece in pieces)


class _Boxed(FunctionElement[bool]):
    """west, south, east, north, most -> whether an item's box meets that one, by the index of 0003_items."""

    type = Boolean()
    inherit_cache = True

    @override
    def self_group(self, against: Any = None) -> _Boxed:
        """Stay as it is: SQLite does not use its index for a comparison with 1, which would be written here."""
        return self


@compiles(_Boxed, "sqlite")
def _boxed_sqlite(element: _Boxed, compiler: SQLCompiler, **kw: Any) -> str:
    west, south, east, north, most = (compiler.process(value, **kw) for value in element.clauses)
    meeting = f"west <= {east} AND east >= {west} AND south <= {north} AND north >= {south}"
    return f"(items.num IN (SELECT id / 2 FROM items_boxes WHERE {meeting} LIMIT {most}))"  # noqa: S608 - of bound parameters


@compiles(_Boxed, "postgresql")
def _boxed_postgresql(element: _Boxed, compiler: SQLCompiler, **kw: Any) -> str:
    *sides, _ = (compiler.process(value, **kw) for value in element.clauses)
    west, south, east, north = (f"CAST({side} AS double precision)" for side in sides)
    own = (
        "box(point(items.west, items.south), "
        "point(CASE WHEN items.west > items.east THEN items.east + 360 ELSE items.east END, items.north))"
    )
    turns = (f"box(point({west} + {turn}, {south}), point({east} + {turn}, {north}))" for turn in (0, 360))
    return "(" + " OR ".join(f"{own} && {turn}" for turn in turns) + ")"


class _Like(FunctionElement[bool]):
    """column, pattern, the same for GLOB -> whether it matches; SQLite's own LIKE overlooks case."""

    type = Boolean()
    inherit_cache = True


@compiles(_Like, "sqlite")
def _like_sqlite(element: _Like, compiler: SQLCompiler, **kw: Any) -> str:
    column, _, glob = (compiler.process(part, **kw) for part in element.clauses)
    return f"({column} GLOB {glob})"


@compiles(_Like, "postgresql")
def _like_postgresql(element: _Like, compiler: SQLCompiler, **kw: Any) -> str:
    column, pattern, _ = (compiler.process(part, **kw) for part in element.clauses)
    return f"({column} LIKE {pattern})"


class _TextOf(FunctionElement[str]):
    """document, name, path -> a text or NULL."""

    type = String()
    inherit_cache = True


class _NumberOf(FunctionElement[float]):
    """document, name, path -> a number or NULL."""

    type = Float()
    inherit_cache = True


class _IsMissing(FunctionElement[bool]):
    """document, name, path -> whether nothing or null is there."""

    type = Boolean()
    inherit_cache = True


@compiles(_TextOf, "sqlite")
def _text_sqlite(element: _TextOf, compiler: SQLCompiler, **kw: Any) -> str:
    document, _, path = (compiler.process(part, **kw) for part in element.clauses)
    return f"CASE WHEN json_type({document}, {path}) = 'text' THEN json_extract({document}, {path}) END"


@compiles(_NumberOf, "sqlite")
def _number_sqlite(element: _NumberOf, compiler: SQLCompiler, **kw: Any) -> str:
    document, _, path = (compiler.process(part, **kw) for part in element.clauses)
    return f"CASE WHEN json_type({document}, {path}) IN ('integer', 'real') THEN json_extract({document}, {path}) END"


@compiles(_IsMissing, "sqlite")
def _missing_sqlite(element: _IsMissing, compiler: SQLCompiler, **kw: Any) -> str:
    document, _, path = (compiler.process(part, **kw) for part in element.clauses)
    return f"(coalesce(json_type({document}, {path}), 'null') = 'null')"


@compiles(_TextOf, "postgresql")
def _text_postgresql(element: _TextOf, compiler: SQLCompiler, **kw: Any) -> str:
    document, name, _ = (compiler.process(part, **kw) for part in element.clauses)
    value = f"({document} -> 'properties' -> CAST({name} AS text))"
    return f"CASE WHEN json_typeof({value}) = 'string' THEN {value} #>> '{{}}' END"


@compiles(_NumberOf, "postgresql")
def _number_postgresql(element: _NumberOf, compiler: SQLCompiler, **kw: Any) -> str:
    document, name, _ = (compiler.process(part, **kw) for part in element.clauses)
    value = f"({document} -> 'properties' -> CAST({name} AS text))"
    return f"CASE WHEN json_typeof({value}) = 'number' THEN CAST({value} #>> '{{}}' AS double precision) END"


@compiles(_IsMissing, "postgresql")
def _missing_postgresql(element: _IsMissing, compiler: SQLCompiler, **kw: Any) -> str:
    document, name, _ = (compiler.process(part, **kw) for part in element.clauses)
    return f"(coalesce(json_typeof({document} -> 'properties' -> CAST({name} AS text)), 'null') = 'null')"
