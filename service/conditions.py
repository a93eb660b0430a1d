"""What items must fulfil: tests in SQL and meetings of footprints, joined by and, or, not.

A database without a library for geometries cannot tell whether footprints meet; it finds those whose boxes do, and
what remains is decided here, with SQL's three truth values: None is neither true nor false.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from shapely.geometry.base import BaseGeometry
from sqlalchemy import ColumnElement, and_, false, not_, or_, true

Near = Callable[[BaseGeometry], ColumnElement[bool]]
"""Makes the test of whether an item's box meets that of a geometry."""


def candidates(condition: Condition, near: Near, *, wide: bool = True) -> ColumnElement[bool]:
    """Return a test that every item passes which fulfils the condition; others may pass too.

    Args:
        condition: what is asked.
        near: tests boxes.
        wide: False: a test that only such items pass, not necessarily all; for what stands under a `not`.
    """
    match condition:
        case Test(sql):
            return sql
        case Meets(geometry):
            return near(geometry) if wide else false()
        case All(parts):
            return and_(true(), *(candidates(part, near, wide=wide) for part in parts))
        case AnyOf(parts):
            return or_(false(), *(candidates(part, near, wide=wide) for part in parts))
        case Not(part):
            return not_(candidates(part, near, wide=not wide))


def meetings(condition: Condition) -> Iterator[BaseGeometry]:
    """Yield the geometries that the condition asks about."""
    match condition:
        case Meets(geometry):
            yield geometry
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from meetings(part)
        case Not(part):
            yield from meetings(part)


def tests(condition: Condition) -> list[ColumnElement[bool]]:
    """Return the tests in SQL, in the order in which `holds` reads their outcomes."""
    match condition:
        case Test(sql):
            return [sql]
        case All(parts) | AnyOf(parts):
            return [test for part in parts for test in tests(part)]
        case Not(part):
            return tests(part)
        case Meets():
            return []


def holds(condition: Condition, outcomes: Iterator[bool | None], footprint: BaseGeometry) -> bool | None:
    """Tell whether an item fulfils the condition.

    Args:
        condition: what is asked.
        outcomes: of the tests in SQL (`tests`), for this item.
        footprint: of the item, WGS84.
    """
    match condition:
        case Test():
            outcome = next(outcomes)
            return None if outcome is None else bool(outcome)
        case Meets(geometry):
            return bool(geometry.intersects(footprint))
        case All(parts):
            return _all([holds(part, outcomes, footprint) for part in parts])
        case AnyOf(parts):
            return _negated(_all([_negated(holds(part, outcomes, footprint)) for part in parts]))
        case Not(part):
            return _negated(holds(part, outcomes, footprint))


def _all(values: Sequence[bool | None]) -> bool | None:
    if any(value is False for value in values):
        return False
    return None if any(value is None for value in values) else True


def _negated(value: bool | None) -> bool | None:
    return None if value is None else not value


@dataclass(frozen=True)
class Test:
    """A test that the database decides."""

    sql: ColumnElement[bool]


@dataclass(frozen=True)
class Meets:
    """The item's footprint and a geometry have a point in common; both WGS84, split at the antimeridian."""

    geometry: BaseGeometry


@dataclass(frozen=True)
class All:
    """Every part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class AnyOf:
    """Some part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Not:
    """The part does not hold."""

    part: Condition


Condition = Test | Meets | All | AnyOf | Not
