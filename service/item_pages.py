"""Answering a search: pages of items that stay put while others are added or removed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry
from sqlalchemy import ColumnElement, Executable, Result, Select, and_, bindparam, func, or_, select, true
from sqlalchemy.orm import Session, defer

from service.conditions import candidates, holds, meetings, tests
from service.errors import BodyMalformed, CollectionUnknown, ItemUnknown
from service.item_sql import DOCUMENT, FEW, indexed_near, plain_near
from service.queryables import QUERYABLES
from service.search import Search
from workers.items import Collection, ItemRecord
from workers.records import SceneRecord, UtcDateTime


@dataclass(frozen=True)
class Found:
    """An item: its record and its document."""

    record: ItemRecord
    document: dict[str, Any]


@dataclass(frozen=True)
class Page:
    """Items, the token of the next page or "", and how many fulfil the search, where that is cheap to tell."""

    items: Sequence[Found]
    following: str
    matched: int | None


def collection_of(name: str) -> Collection:
    """Return a collection by its id.

    Raises:
        CollectionUnknown: there is none of that id.
    """
    try:
        return Collection(name)
    except ValueError as err:
        raise CollectionUnknown(f"no collection {name!r}; there are: {', '.join(Collection)}") from err


def find_item(session: Session, owner: str, collection: Collection, item_id: str) -> Found:
    """Return an owner's item.

    Raises:
        ItemUnknown: the owner has no such item.
    """
    row = session.execute(_ONE, {"owner": owner, "collection": str(collection), "id": item_id}).one_or_none()
    if row is None:
        raise ItemUnknown(f"no item {item_id!r} in {collection}")
    return Found(row[0], row[1])


def find_items(session: Session, owner: str, search: Search) -> Page:
    """Return a page of an owner's items.

    Raises:
        BodyMalformed: the token is none of ours, or of another search.
    """
    asked_about = list(meetings(search.condition))
    many = any(_many(session, geometry) for geometry in asked_about)
    conditions = candidates(search.condition, plain_near if many else indexed_near)
    # Where the index of boxes or ids finds few, no index on the owner must seem better to SQLite.
    few = search.by_id or (asked_about and not many)
    asked = and_(func.coalesce(ItemRecord.owner, "") == owner if few else ItemRecord.owner == owner, conditions)
    chosen = asked if not search.token else and_(asked, _after(search))
    if not asked_about:  # then the order is made of numbers alone, not of documents
        numbers = _items(of=ItemRecord.num).where(chosen).order_by(*_ordering(search)).limit(search.limit + 1)
        chosen = ItemRecord.num.in_(numbers)
    wanted = _items(*tests(search.condition)).where(chosen).order_by(*_ordering(search))
    ordered: Executable = wanted.execution_options(yield_per=min(search.limit + 1, 200))
    with session.execute(ordered) as rows:
        kept = list(islice(_holding(rows, search), search.limit + 1))
    more = len(kept) > search.limit
    items = kept[: search.limit]
    matched = None
    if search.counted:
        matched = session.scalar(select(func.count()).select_from(ItemRecord).where(asked))
    return Page(items, _token(search, items[-1].record) if more else "", matched)


def _items(*more: Any, of: Any = None) -> Select[*tuple[Any, ...]]:
    if of is None:
        found = select(ItemRecord, DOCUMENT, *more).options(defer(ItemRecord.document, raiseload=True))
    else:
        found = select(of)
    return found.join(SceneRecord, ItemRecord.scene_id == SceneRecord.id, isouter=True)


_ONE = _items().where(*(getattr(ItemRecord, name) == bindparam(name) for name in ("owner", "collection", "id")))
"""Built once: building costs as much as asking."""


def _many(session: Session, geometry: BaseGeometry) -> bool:
    boxes = select(ItemRecord.num).where(indexed_near(geometry)).limit(FEW + 1).subquery()
    return (session.scalar(select(func.count()).select_from(boxes)) or 0) > FEW


def _holding(rows: Result[*tuple[Any, ...]], search: Search) -> Iterator[Found]:
    exact = not any(True for _ in meetings(search.condition))
    for record, document, *outcomes in rows:
        if exact or holds(search.condition, iter(outcomes), shape(document["geometry"])):
            yield Found(record, document)


def _keys(search: Search) -> list[tuple[Any, bool]]:
    """Return the columns of the order and whether they fall; the last one tells any two items apart."""
    keys = [(QUERYABLES[name].column, falls) for name, falls in search.order]
    return [*keys, (ItemRecord.num, keys[-1][1])]


def _ordering(search: Search) -> list[ColumnElement[Any]]:
    """Order with what is missing last, however the database would have it."""
    found: list[ColumnElement[Any]] = []
    for column, falls in _keys(search):
        if column.nullable:
            found.append(column.is_(None))
        found.append(column.desc() if falls else column.asc())
    return found


def _after(search: Search) -> ColumnElement[bool]:
    """Test whether an item comes after the one that the token names."""
    values = _read_token(search)
    same: ColumnElement[bool] = true()
    later = []
    for (column, falls), value in zip(_keys(search), values, strict=True):
        if value is not None:
            beyond = column < value if falls else column > value
            later.append(and_(same, or_(beyond, column.is_(None)) if column.nullable else beyond))
        same = and_(same, column.is_(None) if value is None else column == value)
    first, falls = _keys(search)[0]
    if values[0] is None or first.nullable:
        return or_(*later)
    # Says nothing new, but lets the database begin there in its index.
    return and_(first <= values[0] if falls else first >= values[0], or_(*later))


def _token(search: Search, last: ItemRecord) -> str:
    values = [getattr(last, column.key) for column, _ in _keys(search)]
    plain = [value.isoformat() if isinstance(value, datetime) else value for value in values]
    text = json.dumps([list(search.order), plain], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_token(search: Search) -> list[Any]:
    """Return the values of the last item's keys."""
    try:
        text = base64.urlsafe_b64decode(search.token + "=" * (-len(search.token) % 4))
        order, values = json.loads(text)
        keys = _keys(search)
        if order != [list(one) for one in search.order] or len(values) != len(keys):
            raise ValueError("another order")
        return [_read(column, value) for (column, _), value in zip(keys, values, strict=True)]
    except (ValueError, TypeError, AttributeError, RecursionError) as err:
        raise BodyMalformed("the token of the page is not one that a link `next` of this search gave") from err


def _read(column: Any, value: Any) -> Any:
    kind = datetime if isinstance(column.type, UtcDateTime) else column.type.python_type
    if value is None and column.nullable:
        return None
    if kind is datetime:
        return datetime.fromisoformat(value)
    if kind is float and isinstance(value, int):
        return float(value)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"expected a {kind.__name__}")
    return value
