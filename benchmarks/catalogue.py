"""How long searches over 100,000 items take, on SQLite and on Postgres.

    python -m benchmarks.catalogue [--items 100000] [--database postgresql://...]

Prints milliseconds for each search (median of 15, in the process: database, refinement, Items, no HTTP), and how many
times as long as looking up one item by its id that is.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from shapely.geometry import Polygon, mapping
from sqlalchemy import text

from service.extents import Extents
from service.item_pages import find_item, find_items
from service.search import read_body
from tests.catalogues import enter_scenes
from workers.database import Sessions, close_database, migrate, open_database
from workers.items import Collection

_TRIANGLE = mapping(Polygon([(10, 40), (16, 41), (12, 47)]))
_CLOUD = {"op": "<", "args": [{"property": "eo:cloud_cover"}, 5]}
SEARCHES: dict[str, dict[str, object]] = {
    "newest": {},
    "bbox 1 degree": {"bbox": [12, 41, 13, 42]},
    "bbox a country": {"bbox": [5, 40, 15, 48]},
    "bbox half the world": {"bbox": [-180, -90, 0, 90]},
    "bbox over the antimeridian": {"bbox": [179.5, -20, -179.5, 20]},
    "intersects": {"intersects": _TRIANGLE},
    "intersects, cloud, time": {
        "intersects": _TRIANGLE, "filter": _CLOUD, "datetime": "2020-01-10T00:00:00Z/2020-02-20T00:00:00Z",
    },
    "an hour": {"datetime": "2020-01-20T00:00:00Z/2020-01-20T01:00:00Z"},
    "cloud below 5": {"filter": _CLOUD},
    "least cloud first": {"sortby": [{"field": "eo:cloud_cover"}]},
    "ids": {"ids": [f"made-{number:06d}" for number in range(0, 90_000, 9000)]},
}  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--database", help="URL of an empty Postgres database; without: SQLite in a temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = options.database or f"sqlite:///{Path(folder) / 'catalogue.db'}"
        migrate(url)
        sessions = open_database(url)
        enter_scenes(sessions, options.items)
        if sessions.kw["bind"].dialect.name == "postgresql":
            with sessions() as session:
                session.execute(text("ANALYZE"))
                session.commit()
        report(sessions, options.items)
        close_database(sessions)


def report(sessions: Sessions, items: int) -> None:
    """Print a table."""
    with sessions() as session:
        middle = f"made-{items // 2:06d}"
        one = _median_ms(lambda: find_item(session, "", Collection.SCENES, middle))
        print(f"{items} items on {sessions.kw['bind'].dialect.name}")
        print(f"{'search':28} {'ms':>8} {'x one':>7} {'items':>6}")
        print(f"{'one item by id':28} {one:8.2f} {1:7.1f} {1:6d}")
        extent = _median_ms(lambda: Extents().find(session, "", Collection.SCENES))
        print(f"{'extent of the collection':28} {extent:8.2f} {extent / one:7.1f} {1:6d}")
        for name, body in SEARCHES.items():
            search = read_body({"limit": 10, **body})
            found = len(find_items(session, "", search).items)
            took = _median_ms(lambda search=search: find_items(session, "", search))  # type: ignore[misc] # bound now
            print(f"{name:28} {took:8.2f} {took / one:7.1f} {found:6d}")


def _median_ms(work: Callable[[], object], times: int = 15) -> float:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
