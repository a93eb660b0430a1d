"""The output grid of a job: the scenes' own where they share one, else UTM of the area."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pyproj
import shapely
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from geo.aoi import project
from geo.errors import AreaRefused, StackRefused
from geo.lattice import TOLERANCE_PX, Lattice, crs_of, lattice_of
from geo.scene import Scene

_GEOD = pyproj.Geod(ellps="WGS84")


def output_geobox(scenes: Sequence[Scene], aoi: BaseGeometry, stride_px: int) -> GeoBox:
    """Choose the grid that a job's products are written on.

    The scenes' own pixels are kept where all of them share CRS, pixel size and phase. Otherwise: the CRS that all
    share if it is projected, else UTM at the area's centre, with square pixels of the finest scene's size.
    The grid covers the bounding box of the area as far as scenes reach; its origin lies on a multiple of
    `stride_px` of the CRS's lattice, so that jobs over other areas cut the same scenes into the same pixels.

    Args:
        scenes: those that the job reads; at least one.
        aoi: area of interest, WGS84, split at the antimeridian.
        stride_px: of the network.

    Raises:
        AreaRefused: the area and the scenes do not meet.
        StackRefused: a scene's grid has no CRS.
    """
    if not scenes:
        raise StackRefused("no scene to take a grid from: expected at least one")
    covered = shapely.intersection(aoi, shapely.union_all([scene.footprint for scene in scenes]))
    if covered.is_empty or covered.area == 0:
        raise AreaRefused("the area of interest lies outside of all scenes")
    lattice = shared_lattice(scenes) or _common_lattice(scenes, covered)
    return _cover(lattice, covered, scenes[0], stride_px)


def shared_lattice(scenes: Sequence[Scene]) -> Lattice | None:
    """Return the lattice that all scenes' pixels lie on, or None where they differ."""
    first = lattice_of(scenes[0].geobox)
    if any(not _on(first, scene.geobox) for scene in scenes):
        return None
    if first.crs.geographic:
        centres = [_centre(scene.geobox)[0] for scene in scenes]
        if max(centres) - min(centres) > 180:
            return None
    return first


def utm_crs(lon: float, lat: float) -> CRS:
    """Return the UTM zone of a place; polar stereographic beyond 84 degrees north and 80 degrees south."""
    if lat >= 84:
        return CRS("EPSG:32661")
    if lat <= -80:
        return CRS("EPSG:32761")
    zone = int((lon + 180.0) % 360.0 // 6) + 1
    return CRS(f"EPSG:{(32600 if lat >= 0 else 32700) + zone}")


def _on(lattice: Lattice, geobox: GeoBox) -> bool:
    other = lattice_of(geobox)
    rows, cols = geobox.shape
    row, col = lattice.pixel(geobox.affine.c, geobox.affine.f)
    drift = max(abs(other.res_x / lattice.res_x - 1) * cols, abs(other.res_y / lattice.res_y - 1) * rows)
    off = max(abs(row - round(row)), abs(col - round(col)))
    return bool(other.crs == lattice.crs) and max(drift, off) < TOLERANCE_PX


def _common_lattice(scenes: Sequence[Scene], covered: BaseGeometry) -> Lattice:
    res_m = float(f"{min(true_res_m(scene.geobox) for scene in scenes):.3g}")
    crs = crs_of(scenes[0].geobox)
    if any(scene.geobox.crs != crs for scene in scenes) or not _metric(crs):
        lon, lat = _middle(covered)
        crs = utm_crs(lon, lat)
    return Lattice(crs, res_m, res_m)


def true_res_m(geobox: GeoBox) -> float:
    """Pixel size on the ellipsoid at the grid's centre, in metres: the geometric mean of both axes."""
    to_wgs84 = pyproj.Transformer.from_crs(crs_of(geobox).to_wkt(), "OGC:CRS84", always_xy=True)
    rows, cols = geobox.shape
    middle = [(cols / 2, rows / 2), (cols / 2 + 1, rows / 2), (cols / 2, rows / 2 + 1)]
    points = np.array([geobox.affine * point for point in middle])
    lons, lats = to_wgs84.transform(points[:, 0], points[:, 1])
    _, _, lengths = _GEOD.inv([lons[0]] * 2, [lats[0]] * 2, lons[1:], lats[1:])
    return math.sqrt(lengths[0] * lengths[1])


def _metric(crs: CRS) -> bool:
    """Tell whether a CRS is projected, in metres, and true to scale within a few percent (not web Mercator)."""
    return bool(crs.projected) and "metre" in str(crs.units[0]) and crs.to_epsg() not in (3857, 900913, 3395)


def _middle(geometry: BaseGeometry) -> tuple[float, float]:
    """Centre of a geometry that may lie on both sides of the antimeridian."""
    west, _, east, _ = geometry.bounds
    if east - west <= 180:
        return geometry.centroid.x, geometry.centroid.y
    turned = shapely.transform(geometry, lambda xy: np.column_stack([xy[:, 0] % 360.0, xy[:, 1]]))
    return (turned.centroid.x + 180.0) % 360.0 - 180.0, turned.centroid.y


def _centre(geobox: GeoBox) -> tuple[float, float]:
    rows, cols = geobox.shape
    x, y = geobox.affine * (cols / 2, rows / 2)
    return float(x), float(y)


def _cover(lattice: Lattice, covered: BaseGeometry, scene: Scene, stride_px: int) -> GeoBox:
    near_lon = _centre(scene.geobox)[0] if lattice.crs.geographic else None
    west, south, east, north = project(covered, lattice.crs, near_lon).bounds
    top, left = lattice.pixel(west, north)
    bottom, right = lattice.pixel(east, south)
    row = math.floor((top + TOLERANCE_PX) / stride_px) * stride_px
    col = math.floor((left + TOLERANCE_PX) / stride_px) * stride_px
    height = max(math.ceil(bottom - TOLERANCE_PX) - row, 1)
    width = max(math.ceil(right - TOLERANCE_PX) - col, 1)
    return lattice.geobox(row, col, height, width)
