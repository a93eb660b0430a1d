"""A scene: one acquisition, ingested, with its place in space and time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

REFLECTANCE_SCALE = 1e-4
REFLECTANCE_NODATA = 0


@dataclass(frozen=True)
class Scene:
    """One acquisition as two rasters on one grid.

    Attributes:
        id: name of the scene, unique within its owner.
        acquired: time of acquisition, aware, UTC.
        satellite: identifier of the satellite, "" where unknown.
        bands: role of each band of `reflectance`, in order, as STAC common names (`geo.bands.ROLES`).
        reflectance: path that GDAL opens; uint16 surface (or top-of-atmosphere) reflectance x 10,000,
            0 where there is no data.
        clear: path that GDAL opens; uint8, 1 = usable pixel, 0 = cloud, shadow, haze or no data.
        geobox: grid of both rasters; may be rotated only before ingest, never here.
        footprint: outline of the valid pixels, WGS84, split at the antimeridian.
    """

    id: str
    acquired: datetime
    satellite: str
    bands: tuple[str, ...]
    reflectance: str
    clear: str
    geobox: GeoBox
    footprint: BaseGeometry

    def __post_init__(self) -> None:
        if self.acquired.tzinfo is None:
            raise ValueError(f"scene {self.id}: `acquired` needs a time zone")

    @property
    def res_m(self) -> float:
        """Pixel size in metres, the geometric mean of both axes; degrees count as 111,320 m."""
        transform = self.geobox.affine
        size = math.sqrt(abs(float(transform.determinant)))
        crs = self.geobox.crs
        return size * 111_320.0 if crs is not None and crs.geographic else size


def scene_from_item(item: Mapping[str, Any], resolve: Callable[[str], str]) -> Scene:
    """Read a scene back from its STAC Item (as `geo.item.scene_item` wrote it).

    Args:
        item: the Item as a dictionary.
        resolve: turns an asset's href into a path that GDAL opens.
    """
    properties = item["properties"]
    a, b, c, d, e, f = properties["proj:transform"][:6]
    rows, cols = properties["proj:shape"]
    return Scene(
        id=item["id"],
        acquired=datetime.fromisoformat(properties["datetime"].replace("Z", "+00:00")),
        satellite=properties.get("platform", ""),
        bands=tuple(properties["chronoseg:bands"]),
        reflectance=resolve(item["assets"]["reflectance"]["href"]),
        clear=resolve(item["assets"]["clear"]["href"]),
        geobox=GeoBox((rows, cols), Affine(a, b, c, d, e, f), properties.get("proj:code") or properties["proj:wkt2"]),
        footprint=shape(item["geometry"]),
    )
