"""A job's products as a QGIS project: masks by date, what follows from all dates, polygons; each with its style."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from workers.records import JobRecord, ProductRecord
from workers.store import Store

if TYPE_CHECKING:
    from geo.qgis_project import Period, ProjectCrs, ProjectLayer
    from workers.plan import Plan, PlannedDate

NAME = "project.qgz"
MEDIA_TYPE = "application/vnd.qgis.qgz"
_SUMMARIES = {
    "change_date": "Date of change",
    "confidence": "Confidence",
    "last_look": "Last clear look",
}


def project_of(store: Store, job: JobRecord, products: Sequence[ProductRecord], source: Callable[[str], str]) -> bytes:
    """Return the .qgz of a job.

    Args:
        store: has its styles.
        job: that has ended well.
        products: of it.
        source: gives the path or address by which QGIS opens a product, from its name.

    Raises:
        NotStored: a style is gone.
    """
    from geo.qgis_project import Period, as_qgz, qgis_project
    from workers.plan import Plan

    plan = Plan.from_json(job.plan or {})
    layers = list(_layers(plan, _Shelf(store, products, source)))
    periods = _periods(plan.dates)
    whole = Period(periods[0].start, periods[-1].end)
    title = f"{plan.model_id}, {plan.dates[0].date} to {plan.dates[-1].date}"
    west, south, east, north = (float(edge) for edge in plan.geobox.boundingbox)
    return as_qgz(qgis_project(title, _grid_crs(plan), (west, south, east, north), layers, whole))


class _Shelf:
    """Makes layers of a job's products; a style that several share is read once."""

    def __init__(self, store: Store, products: Sequence[ProductRecord], source: Callable[[str], str]) -> None:
        self._store, self._source = store, source
        self._products = {product.name: product for product in products}
        self._styles: dict[str, bytes] = {}

    def layer(
        self, file: str, title: str, crs: ProjectCrs, group: str = "", period: Period | None = None, *, shown: bool
    ) -> Iterator[ProjectLayer]:
        """Yield the layer of a product that the job has, with the style beside it."""
        from geo.qgis_project import ProjectLayer

        style = f"{file.partition('.')[0]}.qml"
        if file not in self._products or style not in self._products:
            return
        yield ProjectLayer(
            id=re.sub(r"\W", "_", file), name=title, source=self._source(file),
            kind="raster" if file.endswith(".tif") else "vector", style=self._style(style), crs=crs,
            group=group, shown=shown, period=period,
        )  # fmt: skip

    def _style(self, name: str) -> bytes:
        product = self._products[name]
        if product.sha256 not in self._styles:
            self._styles[product.sha256] = b"".join(self._store.read(product.key))
        return self._styles[product.sha256]


def _layers(plan: Plan, shelf: _Shelf) -> Iterator[ProjectLayer]:
    """Yield the layers, the uppermost first; the newest mask covers those before it."""
    from geo.qgis_project import ProjectCrs

    crs, degrees = _grid_crs(plan), ProjectCrs("", "EPSG:4326")
    yield from shelf.layer("polygons.gpkg", "Polygons", crs, shown=False)
    for name, title in _SUMMARIES.items():
        yield from shelf.layer(f"{name}.tif", title, crs, shown=False)
    dated = list(zip(plan.dates, _periods(plan.dates), strict=True))[::-1]
    for date, period in dated:
        title = _title(date)
        file = f"instances_{date.label}.geojson"
        yield from shelf.layer(file, title, degrees, "Instances", period, shown=True)
    for date, period in dated:
        title = _title(date)
        yield from shelf.layer(f"mask_{date.label}.tif", title, crs, "Masks", period, shown=True)


def _periods(dates: Sequence[PlannedDate]) -> list[Period]:
    """Tell what time each date's mask stands for: until the second before the next; the last one for its day."""
    from geo.qgis_project import Period

    starts = [_start(date) for date in dates]
    last = datetime.combine(dates[-1].date, time(), UTC) + timedelta(days=1)
    return [
        Period(start, max(start, following - timedelta(seconds=1)))
        for start, following in zip(starts, [*starts[1:], last], strict=True)
    ]


def _start(date: PlannedDate) -> datetime:
    _, _, clock = date.label.partition("_")
    at = time(int(clock[:2]), int(clock[2:4])) if clock else time()
    return datetime.combine(date.date, at, UTC)


def _title(date: PlannedDate) -> str:
    """Return a date as people read it; with the time, and the letter, where a day has more than one."""
    _, _, clock = date.label.partition("_")
    return f"{date.date} {clock[:2]}:{clock[2:]}" if clock else str(date.date)


def _grid_crs(plan: Plan) -> ProjectCrs:
    from geo.item import crs_property
    from geo.lattice import crs_of
    from geo.qgis_project import ProjectCrs

    wkt = crs_of(plan.geobox).to_wkt()
    return ProjectCrs(wkt, crs_property(wkt).get("proj:code", ""))
