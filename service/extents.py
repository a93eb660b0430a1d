"""What an owner's collection reaches over, in space and time; one that takes long to find is kept for a while."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from time import perf_counter
from typing import Any

from cachetools import TLRUCache
from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from workers.items import Collection, ItemRecord
from workers.records import stamp

CHEAP_S = 0.05
"""What is found quicker than this is looked for each time."""

TIMES = 100
"""How many times as long as it took to find, an extent is kept: looking costs a hundredth of a core at most."""

LONGEST_S = 30.0

_MOST = 10_000
_ITEM = ItemRecord
_WANTED = select(
    func.min(_ITEM.acquired), func.max(_ITEM.acquired), func.min(_ITEM.south), func.max(_ITEM.north),
    func.min(_ITEM.west), func.max(_ITEM.east), func.max(_ITEM.west - _ITEM.east),
).where(_ITEM.owner == bindparam("owner"), _ITEM.collection == bindparam("collection"))  # fmt: skip


class Extents:
    """Extents of owners' collections; safe in threads."""

    def __init__(self) -> None:
        self._kept: TLRUCache[tuple[str, Collection], _Kept] = TLRUCache(_MOST, ttu=_until)
        self._lock = Lock()

    def find(self, session: Session, owner: str, collection: Collection) -> dict[str, Any]:
        """Return the extent as STAC writes it; of a large collection, as it was some seconds ago.

        A collection without items reaches over everything, at no time.
        """
        key = (owner, collection)
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None:
            return kept.extent
        session.connection()  # making one is not the extent's time
        start = perf_counter()
        extent = _found(session, owner, collection)
        took_s = perf_counter() - start
        if took_s > CHEAP_S:
            with self._lock:
                self._kept[key] = _Kept(extent, min(TIMES * took_s, LONGEST_S))
        return extent


def _until(_key: Any, kept: _Kept, now: float) -> float:
    return now + kept.for_s


def _found(session: Session, owner: str, collection: Collection) -> dict[str, Any]:
    row = session.execute(_WANTED, {"owner": owner, "collection": str(collection)}).one()
    start, end, south, north, west, east, overlap = row
    bbox = [-180.0, -90.0, 180.0, 90.0]
    if start is not None:
        bbox = [-180.0, south, 180.0, north] if overlap > 0 else [west, south, east, north]
    return {"spatial": {"bbox": [bbox]}, "temporal": {"interval": [[start and stamp(start), end and stamp(end)]]}}


@dataclass(frozen=True)
class _Kept:
    """An extent, and for how many seconds it holds."""

    extent: dict[str, Any]
    for_s: float
