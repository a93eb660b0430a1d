"""Footprints: the outline of a scene's valid pixels on the earth."""

from __future__ import annotations

from itertools import islice

import numpy as np
import rasterio
import rasterio.features
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from pyproj.exceptions import ProjError
from shapely.geometry import MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry

from geo.errors import SceneRejected

_SIDE_PX = 512
_MAX_PARTS = 32
_MAX_VERTICES = 20_000
_SLACK_PX = 1.5
_DEGREES = 1e-7


def valid_footprint(reflectance: str) -> BaseGeometry:
    """Outline the pixels that are not nodata.

    The outline is drawn on an overview, in which a pixel is valid where any pixel below it is, so it covers
    all data and strays from it by a few overview pixels at most.

    Args:
        reflectance: path of the scene's COG.

    Returns:
        (Multi)Polygon, WGS84, counter-clockwise, split at the antimeridian (RFC 7946).

    Raises:
        SceneRejected: the CRS cannot tell where on the earth the scene lies.
    """
    with rasterio.open(reflectance) as dataset:
        step = next((n for n in dataset.overviews(1) if max(dataset.shape) / n <= _SIDE_PX * 2), 1)
        rows, cols = -(-dataset.height // step), -(-dataset.width // step)
        valid = dataset.read(1, out_shape=(rows, cols)) != dataset.nodata
        transform = dataset.transform * Affine.scale(dataset.width / cols, dataset.height / rows)
        outline = _outline(valid, transform)
        return to_wgs84(outline, dataset.crs.to_wkt(), geographic=dataset.crs.is_geographic)


def _outline(valid: NDArray[np.bool_], transform: Affine) -> BaseGeometry:
    """Outline True pixels with few vertices; holes are filled, speckle becomes its convex hull."""
    drawn = rasterio.features.shapes(valid.view(np.uint8), mask=valid, connectivity=4, transform=transform)
    pieces = [Polygon(piece["coordinates"][0]) for piece, _ in islice(drawn, _MAX_PARTS + 1)]
    if len(pieces) > _MAX_PARTS or len(shapely.get_coordinates(pieces)) > _MAX_VERTICES:
        return _hull(valid, transform)
    outline = shapely.union_all(pieces)
    # Grow by what the simplification may take away: the footprint is for finding scenes, so it covers them.
    slack = _SLACK_PX * abs(transform.determinant) ** 0.5
    simple = outline.simplify(slack).buffer(slack, join_style="mitre").intersection(box(*outline.bounds))
    return simple if len(shapely.get_coordinates(simple)) < len(shapely.get_coordinates(outline)) else outline


def _hull(valid: NDArray[np.bool_], transform: Affine) -> BaseGeometry:
    """Convex hull of True pixels, from the first and the last of every row."""
    rows = np.flatnonzero(valid.any(axis=1))
    first, last = valid[rows].argmax(axis=1), valid.shape[1] - valid[rows, ::-1].argmax(axis=1)
    corners = [np.column_stack([cols, rows + down]) for cols in (first, last) for down in (0, 1)]
    x, y = np.concatenate(corners).T
    placed = np.column_stack([transform.a * x + transform.c, transform.e * y + transform.f])
    return shapely.MultiPoint(placed).convex_hull


def to_wgs84(outline: BaseGeometry, crs: str, *, geographic: bool) -> BaseGeometry:
    """Project an outline to WGS84, its edges bent as the projection bends them, and split it at the antimeridian.

    Raises:
        SceneRejected: a corner has no place on the earth.
    """
    west, south, east, north = outline.bounds
    if not geographic:
        outline = outline.segmentize(max(east - west, north - south) / 16)
    try:
        transformer = Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
        middle, _ = transformer.transform((west + east) / 2, (south + north) / 2, errcheck=True)
    except ProjError as err:
        raise SceneRejected(f"the scene's middle is not on the earth in its CRS ({err}); check its CRS") from err

    def project(points: NDArray[np.float64]) -> NDArray[np.float64]:
        lon, lat = transformer.transform(points[:, 0], points[:, 1])
        # Longitudes run on past 180 here, so that a ring across the antimeridian stays one ring.
        return np.column_stack([lon - 360 * np.rint((lon - middle) / 360), lat])

    projected = shapely.transform(outline, project)
    coordinates = shapely.get_coordinates(projected)
    if not len(coordinates) or not np.isfinite(coordinates).all() or np.abs(coordinates[:, 1]).max() > 90 + 1e-6:
        raise SceneRejected("the scene lies outside the area where its CRS holds; check CRS and geotransform")
    return _split(shapely.make_valid(projected.simplify(_DEGREES * 10)))


def _split(outline: BaseGeometry) -> BaseGeometry:
    parts: list[Polygon] = []
    for turn in (-360.0, 0.0, 360.0):
        world = box(-180 + turn, -90, 180 + turn, 90)
        inside = shapely.set_precision(outline.intersection(world), _DEGREES)
        for piece in shapely.get_parts(inside):
            if isinstance(piece, Polygon | MultiPolygon) and piece.area > 0:
                parts += shapely.get_parts(shapely.transform(piece, lambda p, t=turn: p - [t, 0.0])).tolist()
    if not parts:
        raise SceneRejected("the scene has no place on the earth; check CRS and geotransform")
    oriented = [shapely.geometry.polygon.orient(part) for part in parts]
    return oriented[0] if len(oriented) == 1 else MultiPolygon(oriented)
