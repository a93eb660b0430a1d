"""STAC Items of scenes (STAC 1.1, with the projection, electro-optical, view and raster extensions)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pystac
from pystac.utils import datetime_to_str
from rasterio.crs import CRS
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from geo.metadata import Metadata
from geo.scene import REFLECTANCE_NODATA, REFLECTANCE_SCALE, Scene

EXTENSIONS = {
    "proj": "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "eo": "https://stac-extensions.github.io/eo/v2.0.0/schema.json",
    "raster": "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "file": "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "classification": "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
    "view": "https://stac-extensions.github.io/view/v1.0.0/schema.json",
}


def scene_item(scene: Scene, metadata: Metadata | None = None, notes: dict[str, Any] | None = None) -> dict[str, Any]:
    """Describe a scene as a STAC Item; `geo.scene.scene_from_item` reads it back.

    Args:
        scene: its rasters' paths become the assets' hrefs as they are.
        metadata: angles, instrument and cloud cover, where known.
        notes: more properties, as `chronoseg:scale_source`.
    """
    metadata = metadata or Metadata()
    properties = _properties(scene, metadata) | (notes or {})
    # The view extension must not be named by an item that has no angle.
    used = ("proj", "eo", "raster", *(["view"] if any(name.startswith("view:") for name in properties) else []))
    item = pystac.Item(
        id=scene.id,
        geometry=mapping(scene.footprint),
        bbox=list(footprint_bbox(scene.footprint)),
        datetime=scene.acquired,
        properties=properties,
        stac_extensions=[EXTENSIONS[prefix] for prefix in used],
    )
    item.add_asset("reflectance", _reflectance(scene))
    item.add_asset("clear", _clear(scene))
    document: dict[str, Any] = item.to_dict(include_self_link=False)
    # So that the item equals its own round trip.
    document["geometry"] = plain_json(document["geometry"])
    document["properties"]["datetime"] = datetime_to_str(scene.acquired, timespec="auto")
    return document


def with_files(item: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a scene's Item with size and checksum of its assets' files, which lie in a folder under their hrefs."""
    assets = {}
    for name, asset in item["assets"].items():
        path = folder / asset["href"]
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        assets[name] = {**asset, **file_properties(path.stat().st_size, digest)}
    return {**item, "assets": assets, "stac_extensions": [*item["stac_extensions"], EXTENSIONS["file"]]}


def file_properties(size: int, sha256: str) -> dict[str, Any]:
    """Describe a file as the file extension does: size in bytes, and its SHA-256 as a multihash."""
    return {"file:size": size, "file:checksum": f"1220{sha256}"}


def footprint_bbox(footprint: BaseGeometry) -> tuple[float, float, float, float]:
    """Return west, south, east, north; west > east where the footprint crosses the antimeridian (RFC 7946, 5.2)."""
    west, south, east, north = (float(v) for v in footprint.bounds)
    parts = [part.bounds for part in getattr(footprint, "geoms", [footprint])]
    if west <= -180 and east >= 180 and all(p[0] <= -180 or p[2] >= 180 for p in parts) and len(parts) > 1:
        eastern, western = [p for p in parts if p[2] >= 180], [p for p in parts if p[0] <= -180]
        return float(min(p[0] for p in eastern)), south, float(max(p[2] for p in western)), north
    return west, south, east, north


def plain_json(value: Any) -> Any:
    """Return a value with lists in place of tuples, all the way down, as JSON has it."""
    if isinstance(value, dict):
        return {name: plain_json(part) for name, part in value.items()}
    return [plain_json(part) for part in value] if isinstance(value, list | tuple) else value


def crs_property(wkt: str) -> dict[str, str]:
    """Name a CRS as the projection extension does: `proj:code` where its authority's entry is the same, else WKT2."""
    crs = CRS.from_wkt(wkt)
    authority = crs.to_authority()
    if authority is not None:
        code = ":".join(authority)
        if CRS.from_string(code) == crs:
            return {"proj:code": code}
    return {"proj:wkt2": wkt}


def _properties(scene: Scene, metadata: Metadata) -> dict[str, Any]:
    crs = scene.geobox.crs
    if crs is None:
        raise ValueError(f"scene {scene.id}: its grid needs a CRS")
    properties: dict[str, Any] = {
        "platform": scene.satellite or None,
        "constellation": "planetscope" if metadata.planetscope else None,
        "instruments": [metadata.instrument.lower()] if metadata.instrument else None,
        "gsd": round(scene.res_m, 4),
        "eo:cloud_cover": metadata.cloud_pct,
        "view:off_nadir": metadata.off_nadir_deg,
        "view:incidence_angle": metadata.incidence_deg,
        "view:azimuth": metadata.view_azimuth_deg,
        "view:sun_azimuth": metadata.sun_azimuth_deg,
        "view:sun_elevation": metadata.sun_elevation_deg,
        **crs_property(crs.to_wkt()),
        "proj:transform": [float(v) for v in tuple(scene.geobox.affine)[:6]],
        "proj:shape": [int(n) for n in scene.geobox.shape],
        "chronoseg:bands": list(scene.bands),
    }
    return {name: value for name, value in properties.items() if value is not None}


def _reflectance(scene: Scene) -> pystac.Asset:
    bands = [
        {
            "name": role,
            "eo:common_name": role,
            "data_type": "uint16",
            "nodata": REFLECTANCE_NODATA,
            "raster:scale": REFLECTANCE_SCALE,
            "raster:offset": 0,
        }
        for role in scene.bands
    ]
    return pystac.Asset(
        scene.reflectance, "Reflectance", media_type=pystac.MediaType.COG, roles=["data", "reflectance"],
        extra_fields={"bands": bands},
    )  # fmt: skip


def _clear(scene: Scene) -> pystac.Asset:
    bands = [{"name": "clear", "description": "1 = usable, 0 = cloud, shadow, haze or no data", "data_type": "uint8"}]
    return pystac.Asset(
        scene.clear, "Clear pixels", media_type=pystac.MediaType.COG, roles=["data-mask"],
        extra_fields={"bands": bands},
    )  # fmt: skip
