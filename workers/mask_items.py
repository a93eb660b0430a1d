"""STAC Items of a job's masks: one for every date; the last one also holds what follows from all dates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time
from typing import Any

from shapely.geometry import box, mapping
from shapely.geometry.base import BaseGeometry

from geo.footprint import to_wgs84
from geo.item import EXTENSIONS, crs_property, file_properties, footprint_bbox, plain_json
from geo.lattice import crs_of
from models.card import MASK_NODATA, Card
from workers.plan import Plan, PlannedDate
from workers.product import Product

_OF_ALL_DATES = ("change_date", "confidence", "last_look", "polygons", "areas")
_PREFIXES = ("proj", "raster", "file", "classification")


def mask_items(job_id: str, plan: Plan, card: Card, products: Sequence[Product]) -> Iterator[dict[str, Any]]:
    """Yield the Items of a job in order of time.

    Their hrefs are keys of the store (assets) and paths of the service (links).

    Args:
        job_id: of the job.
        plan: of the job.
        card: of its model; gives the legend.
        products: of the job.
    """
    footprint = _footprint(plan)
    for date in plan.dates:
        own = [product for product in products if _stem(product).endswith(f"_{date.label}")]
        if date is plan.dates[-1]:
            own += [product for product in products if _stem(product) in _OF_ALL_DATES]
        yield {
            "type": "Feature",
            "stac_version": "1.1.0",
            "stac_extensions": [EXTENSIONS[prefix] for prefix in _PREFIXES],
            "id": f"{job_id}_{date.label}",
            "geometry": plain_json(mapping(footprint)),
            "bbox": list(footprint_bbox(footprint)),
            "properties": _properties(job_id, plan, date),
            "assets": {_key(product): _asset(job_id, product, card) for product in own},
            "links": list(_links(job_id, plan, date)),
        }


def _properties(job_id: str, plan: Plan, date: PlannedDate) -> dict[str, Any]:
    transform = plan.geobox.affine
    return {
        "datetime": datetime.combine(date.date, time(12), UTC).isoformat().replace("+00:00", "Z"),
        "start_datetime": f"{date.date}T00:00:00Z",
        "end_datetime": f"{date.date}T23:59:59Z",
        "gsd": round(abs(float(transform.determinant)) ** 0.5, 9),
        **crs_property(crs_of(plan.geobox).to_wkt()),
        "proj:transform": [float(v) for v in tuple(transform)[:6]],
        "proj:shape": [int(n) for n in plan.geobox.shape],
        "chronoseg:job": job_id,
        "chronoseg:model": plan.model_id,
        "chronoseg:label": date.label,
    }


def _links(job_id: str, plan: Plan, date: PlannedDate) -> Iterator[dict[str, Any]]:
    """Yield where a mask comes from: the scenes up to its date, for a network remembers them; the job; the model."""
    for earlier in plan.dates[: plan.dates.index(date) + 1]:
        for scene_id in earlier.scene_ids:
            path = f"/collections/scenes/items/{scene_id}"
            yield {"rel": "derived_from", "href": path, "type": "application/geo+json"}
    yield {"rel": "via", "href": f"/jobs/{job_id}", "type": "application/json", "title": "the job"}
    yield {"rel": "describedby", "href": f"/models/{plan.model_id}", "type": "application/json", "title": "the model"}


def _asset(job_id: str, product: Product, card: Card) -> dict[str, Any]:
    asset: dict[str, Any] = {
        "href": f"masks/{job_id}/{product.name}",
        "type": product.media_type,
        "title": product.title,
        "roles": ["metadata"],
        **file_properties(product.size, product.sha256),
    }
    if product.name.endswith(".tif"):
        asset["roles"] = ["data"]
        asset["bands"] = [_BANDS.get(_kind(product), {"name": _kind(product)})]
    if _kind(product) == "mask" and product.name.endswith(".tif"):
        asset["classification:classes"] = class_entries(card)
    if product.name.endswith((".geojson", ".gpkg", ".fgb", ".parquet", ".csv")):
        asset["roles"] = ["data"]
    return asset


_BANDS: dict[str, dict[str, Any]] = {
    "mask": {"name": "mask", "data_type": "uint8", "nodata": MASK_NODATA},
    "change_date": {"name": "change_date", "data_type": "uint16", "nodata": 0, "unit": "days since 1970-01-01"},
    "last_look": {"name": "last_look", "data_type": "uint16", "nodata": 0, "unit": "days since 1970-01-01"},
    "confidence": {"name": "confidence", "data_type": "uint8", "nodata": 255, "unit": "%"},
}


def class_entries(card: Card) -> list[dict[str, Any]]:
    """Return a model's legend as the extension classification writes it."""
    return [
        {"value": c.id, "name": c.name.replace(" ", "_"), "title": c.name, "color_hint": c.color[1:].upper()}
        for c in card.classes
    ]


def _footprint(plan: Plan) -> BaseGeometry:
    """Return the part of the area of interest that the grid covers."""
    crs = crs_of(plan.geobox)
    outline = box(*plan.geobox.boundingbox)
    return to_wgs84(outline, crs.to_wkt(), geographic=crs.geographic).intersection(plan.aoi)


def _stem(product: Product) -> str:
    return product.name.split(".", 1)[0]


def _kind(product: Product) -> str:
    """Return what a product shows, without its date."""
    return next((name for name in ("mask", "instances") if product.name.startswith(f"{name}_")), _stem(product))


def _key(product: Product) -> str:
    """Return the name of a product's asset: the same for every date, so that a series loads as one variable."""
    suffix = product.name.split(".", 1)[1]
    return _kind(product) if suffix == "tif" else f"{_kind(product)}_{suffix.replace('.', '_')}"
