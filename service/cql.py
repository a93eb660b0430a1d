"""CQL2, as text or JSON, as a condition on items. What is not understood is refused, never passed over.

Source: OGC 21-065r2, Common Query Language (CQL2) 1.0: basic CQL2, advanced comparison operators, s_intersects, and of
the temporal operators t_after, t_before, t_during and t_intersects.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from operator import eq, ge, gt, le, lt, ne
from typing import Any

import cql2
from sqlalchemy import ColumnElement, and_, false, or_, true

from service.conditions import All, AnyOf, Condition, Meets, Not, Test
from service.errors import SearchRefused
from service.instants import read_instant, read_interval
from service.item_sql import is_missing, like, number_of, text_of
from service.queryables import QUERYABLES, Kind
from service.shapes import read_bbox, read_geometry

_COMPARE: Mapping[str, tuple[Callable[[Any, Any], Any], str]] = {
    "=": (eq, "="),
    "<>": (ne, "<>"),
    "<": (lt, ">"),
    "<=": (le, ">="),
    ">": (gt, "<"),
    ">=": (ge, "<="),
}
"""Operator -> what it does, and its mirror image, for a literal on the left."""

_JOIN: Mapping[str, Callable[[tuple[Condition, ...]], Condition]] = {
    "and": All,
    "or": AnyOf,
    "not": lambda parts: Not(parts[0]),
}
_TEMPORAL = ("t_after", "t_before", "t_during", "t_intersects")
_MAX_DEPTH = 50


def read_filter(source: str | Mapping[str, Any], language: str) -> Condition:
    """Read a filter.

    Args:
        source: text, or JSON as a mapping or as text.
        language: `cql2-text` or `cql2-json`.

    Raises:
        SearchRefused: it does not parse, or uses what is not offered here.
    """
    try:
        if language == "cql2-text" and isinstance(source, str):
            tree = cql2.parse_text(source).to_json()
        elif language == "cql2-json":
            tree = cql2.parse_json(source if isinstance(source, str) else json.dumps(source)).to_json()
        else:
            raise SearchRefused(f"expected filter-lang cql2-text with a text or cql2-json; got {language[:50]!r}")
    except (cql2.ParseError, cql2.ValidationError, ValueError, RecursionError) as err:
        raise SearchRefused(f"the filter is not {language}: {str(err)[:300]}") from err
    return _condition(tree, 0)


def _condition(tree: Any, depth: int) -> Condition:
    if depth > _MAX_DEPTH:
        raise SearchRefused(f"the filter is nested deeper than {_MAX_DEPTH}")
    if isinstance(tree, bool):
        return Test(true() if tree else false())
    if not isinstance(tree, dict) or "op" not in tree:
        raise SearchRefused(f"expected a comparison; got {_short(tree)}")
    op, args = str(tree["op"]).lower(), list(tree.get("args", []))
    if op in _JOIN:
        parts = tuple(_condition(arg, depth + 1) for arg in args)
        return _JOIN[op](parts)
    if op == "s_intersects":
        return _meets(args)
    return Test(_test(op, args, tree))


def _test(op: str, args: list[Any], tree: Any) -> ColumnElement[bool]:
    if op in _COMPARE:
        return _comparison(op, args)
    if op in _TEMPORAL:
        return _temporal(op, args)
    match op, args:
        case "isnull", [{"property": str(name)}]:
            return _is_null(name)
        case "between", [{"property": str(name)}, low, high] | [{"property": str(name)}, [low, high]]:
            return and_(_compared(name, ">=", low), _compared(name, "<=", high))
        case "in", [{"property": str(name)}, [*values]]:
            return or_(false(), *(_compared(name, "=", value) for value in values))
        case "like", [{"property": str(name)}, str(pattern)]:
            return like(_column(name, "text"), pattern)
    offered = ", ".join([*_JOIN, *_COMPARE, "isNull", "between", "in", "like", "s_intersects", *_TEMPORAL])
    raise SearchRefused(f"the filter's {_short(tree)} is not offered here; there are, of a property: {offered}")


def _meets(args: Sequence[Any]) -> Condition:
    match args:
        case [{"property": "geometry"}, {"bbox": list(numbers)}] | [{"bbox": list(numbers)}, {"property": "geometry"}]:
            return Meets(read_bbox(numbers))
        case [{"property": "geometry"}, dict(geometry)] | [dict(geometry), {"property": "geometry"}]:
            return Meets(read_geometry(geometry))
    raise SearchRefused("expected s_intersects of the property geometry and a geometry")


def _comparison(op: str, args: Sequence[Any]) -> ColumnElement[bool]:
    match args:
        case [{"property": str(name)}, value]:
            return _compared(name, op, value)
        case [value, {"property": str(name)}]:
            return _compared(name, _COMPARE[op][1], value)
    raise SearchRefused(f"expected {op} between a property and a literal; got {_short(args)}")


def _compared(name: str, op: str, value: Any) -> ColumnElement[bool]:
    kind, plain = _literal(value)
    compared: ColumnElement[bool] = _COMPARE[op][0](_column(name, kind), plain)
    return compared


def _literal(value: Any) -> tuple[Kind, str | float | datetime]:
    match value:
        case bool():
            pass
        case str():
            return "text", value
        case int() | float():
            return "number", float(value)
        case {"timestamp": str(text)}:
            return "time", read_instant(text)
    raise SearchRefused(f"expected a text, a number or a TIMESTAMP to compare with; got {_short(value)}")


def _column(name: str, kind: Kind) -> ColumnElement[Any]:
    """Return what a property is compared by.

    Raises:
        SearchRefused: the property is of another kind than the literal.
    """
    known = QUERYABLES.get(name)
    if known is not None:
        if known.kind != kind:
            raise SearchRefused(f"{name} is a {known.kind}; it cannot be compared with a {kind}")
        return known.column  # type: ignore[return-value] # an attribute of a record is a column of SQL
    if name == "geometry":
        raise SearchRefused("the geometry can be used with s_intersects only")
    if kind == "time":
        times = ", ".join(name for name, queryable in QUERYABLES.items() if queryable.kind == "time")
        raise SearchRefused(f"only {times} can be compared with a time; got {name[:100]!r}")
    return text_of(_plain(name)) if kind == "text" else number_of(_plain(name))


def _is_null(name: str) -> ColumnElement[bool]:
    if name == "geometry":
        return false()
    known = QUERYABLES.get(name)
    return is_missing(_plain(name)) if known is None else known.column.is_(None)


def _temporal(op: str, args: Sequence[Any]) -> ColumnElement[bool]:
    """Compare an instant with an instant or an interval, both ends of which belong to it; `during` is inside."""
    match args:
        case [{"property": str(name)}, {"timestamp": str(text)}]:
            start, end = read_interval(text)
        case [{"property": str(name)}, {"interval": [str(first), str(last)]}]:
            start, end = (None, None) if first == last == ".." else read_interval(f"{first}/{last}")
        case _:
            raise SearchRefused(f"expected {op} of a property and a TIMESTAMP or INTERVAL; got {_short(args)}")
    column = _column(name, "time")
    if op == "t_after":
        return false() if end is None else column > end
    if op == "t_before":
        return false() if start is None else column < start
    inside = (gt, lt) if op == "t_during" else (ge, le)
    return and_(
        true() if start is None else inside[0](column, start), true() if end is None else inside[1](column, end)
    )


def _plain(name: str) -> str:
    if len(name) > 100 or not name.isprintable() or '"' in name or "\\" in name:
        raise SearchRefused(f"no property can be named {name[:100]!r}")
    return name


def _short(tree: Any) -> str:
    return json.dumps(tree)[:200]
