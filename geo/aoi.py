"""Areas of interest: GeoJSON polygons in WGS84, checked, repaired where that is safe, and put onto grids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.features import rasterize
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from geo.errors import AreaRefused
from geo.lattice import crs_of
from geo.rings import read_polygons

_SEGMENT_DEG = 0.01
_SNAP = 1024.0


@dataclass(frozen=True)
class Area:
    """An area of interest that can be used.

    Attributes:
        geometry: WGS84, longitude before latitude, valid, within ±180 degrees (split at the antimeridian).
        notes: what was repaired, in words for the user; empty where nothing was.
    """

    geometry: BaseGeometry
    notes: tuple[str, ...] = ()


def parse_aoi(geojson: Mapping[str, Any]) -> Area:
    """Read a Polygon, MultiPolygon, Feature, FeatureCollection or GeometryCollection (RFC 7946).

    Self-intersections are repaired, rings closed, heights dropped, and polygons across the antimeridian split;
    the notes say so.

    Raises:
        AreaRefused: not such a GeoJSON, out of range, axes swapped, too many vertices, or nothing areal in it.
    """
    notes: list[str] = []
    polygons = [_valid(polygon, notes) for polygon in read_polygons(geojson, notes)]
    merged = shapely.union_all(polygons) if len(polygons) > 1 else polygons[0]
    wrapped = _within_globe(merged)
    if not wrapped.equals(merged):
        notes.append("the area crosses the antimeridian and was split there")
    geometry = _areal(wrapped)
    if geometry.is_empty or area_km2(geometry) <= 0:
        raise AreaRefused("the area of interest has no extent: expected at least one polygon with an area above zero")
    return Area(geometry, tuple(dict.fromkeys(notes)))


def area_km2(geometry: BaseGeometry) -> float:
    """Area of a WGS84 geometry on the ellipsoid, in square kilometres; edges are straight in longitude and latitude."""
    fine = shapely.segmentize(geometry, 100 * _SEGMENT_DEG)
    equal_area = _from_wgs84("+proj=cea +datum=WGS84")
    flat = shapely.transform(fine, lambda xy: np.column_stack(equal_area.transform(xy[:, 0], xy[:, 1])))
    return float(flat.area) / 1e6


def check_area(area: Area, max_km2: float) -> None:
    """Refuse an area that is larger than a limit.

    Raises:
        AreaRefused: it is.
    """
    size = area_km2(area.geometry)
    if size > max_km2:
        raise AreaRefused(
            f"the area of interest covers {size:,.0f} km2; at most {max_km2:,.0f} km2 are allowed here: "
            "draw a smaller area, or split it into several jobs"
        )


def swapped(geometry: BaseGeometry) -> BaseGeometry | None:
    """Return the geometry with longitude and latitude exchanged; None where that leaves the globe."""
    other = shapely.transform(geometry, lambda xy: xy[:, ::-1])
    return other if other.bounds[1] >= -90 and other.bounds[3] <= 90 else None


def polygons_of(geometry: BaseGeometry) -> Iterator[Polygon]:
    """Yield the polygons of a geometry; points and lines are left out."""
    for part in shapely.get_parts(geometry):
        if isinstance(part, Polygon):
            if not part.is_empty:
                yield part
        elif shapely.get_num_geometries(part) > 1 or part.geom_type.startswith(("Multi", "GeometryC")):
            yield from polygons_of(part)


def project(geometry: BaseGeometry, crs: CRS, near_lon: float | None = None) -> MultiPolygon:
    """Carry a WGS84 geometry into a CRS; its edges stay straight in longitude and latitude.

    Args:
        geometry: WGS84 polygons.
        crs: where to.
        near_lon: for a geographic `crs`, polygons are shifted by whole turns to lie near this longitude.

    Raises:
        AreaRefused: part of the geometry cannot be expressed in `crs`.
    """
    fine = shapely.segmentize(geometry, _SEGMENT_DEG)
    transformer = _from_wgs84(crs.to_wkt())
    parts: list[Polygon] = []
    for part in polygons_of(fine):
        moved: BaseGeometry = shapely.transform(
            part, lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))
        )
        if not np.isfinite(shapely.get_coordinates(moved)).all():
            raise AreaRefused(f"the area of interest cannot be expressed in {crs}: it lies too far away from it")
        if crs.geographic and near_lon is not None:
            moved = _turned(moved, round((near_lon - shapely.centroid(moved).x) / 360.0))
        parts += polygons_of(moved)
    return MultiPolygon(parts)


def aoi_mask(aoi: BaseGeometry, geobox: GeoBox) -> NDArray[np.bool_]:
    """Tell which pixels have their centre inside an area.

    A pixel's answer does not depend on the window: vertices are snapped to 1/1024 of a pixel, off the pixel
    centres, so that no rounding of a window's origin decides about an edge that runs through centres.

    Args:
        aoi: WGS84 polygons.
        geobox: the window's grid, north-up.

    Returns:
        (H, W), True inside.
    """
    centre = geobox.affine * (geobox.shape[1] / 2, geobox.shape[0] / 2)
    to_pixels = ~geobox.affine
    scale, offset = np.array([to_pixels.a, to_pixels.e]), np.array([to_pixels.c, to_pixels.f])
    pixels = [
        shapely.transform(part, lambda xy: snapped(xy * scale + offset))
        for part in polygons_of(project(aoi, crs_of(geobox), centre[0]))
    ]
    rows, cols = geobox.shape
    window = shapely.box(-2, -2, cols + 2, rows + 2)
    shapes = [(part, 1) for part in pixels if part.intersects(window)]
    if not shapes:
        return np.zeros((rows, cols), bool)
    return np.asarray(rasterize(shapes, (rows, cols), transform=Affine.identity(), dtype="uint8") == 1)


def snapped(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move vertices, in pixels, to the nearest 1/1024, off the pixels' centres: then windows agree on every pixel."""
    return np.round(pixels * _SNAP) / _SNAP + np.array([0.25, 0.375]) / _SNAP


@lru_cache(maxsize=32)
def _from_wgs84(crs: str) -> Transformer:
    return Transformer.from_crs("OGC:CRS84", crs, always_xy=True)


def _valid(polygon: Polygon, notes: list[str]) -> BaseGeometry:
    if polygon.is_valid:
        return polygon
    reason = shapely.is_valid_reason(polygon)
    repaired = _areal(shapely.make_valid(polygon))
    if repaired.is_empty:
        raise AreaRefused(f"the area of interest is not valid ({reason}) and nothing areal is left after repair")
    notes.append(f"the area of interest was not valid ({reason}) and was repaired")
    return repaired


def _areal(geometry: BaseGeometry) -> BaseGeometry:
    parts = list(polygons_of(geometry))
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)


def _within_globe(geometry: BaseGeometry) -> BaseGeometry:
    """Cut at the antimeridian and bring every part back to -180..180 degrees."""
    west, _, east, _ = geometry.bounds
    if west >= -180 and east <= 180:
        return geometry
    parts = []
    for turn in (-2, -1, 0, 1, 2):
        strip = shapely.box(360.0 * turn - 180, -90, 360.0 * turn + 180, 90)
        parts.append(_turned(_areal(shapely.intersection(geometry, strip)), -turn))
    return shapely.union_all([part for part in parts if not part.is_empty])


def _turned(geometry: BaseGeometry, turns: int) -> BaseGeometry:
    return shapely.transform(geometry, lambda xy: xy + np.array([360.0 * turns, 0.0]))
