"""Polygons read out of GeoJSON that nobody vouches for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from shapely.geometry import Polygon

from geo.errors import AreaRefused

MAX_VERTICES = 100_000
_MAX_DEPTH = 8
_WGS84_NAMES = ("CRS84", "EPSG:4326", "EPSG::4326", "WGS84", "WGS 84")

Position = tuple[float, float]
Ring = list[Position]


def read_polygons(geojson: Mapping[str, Any], notes: list[str]) -> list[Polygon]:
    """Return every polygon of a GeoJSON object; what had to be repaired is added to `notes`.

    The polygons may be invalid (self-intersecting) still, and may leave -180..180 degrees of longitude.

    Raises:
        AreaRefused: no GeoJSON with polygons, positions out of range, axes swapped, or too many vertices.
    """
    if not isinstance(geojson, Mapping):
        raise AreaRefused(f"expected the area of interest as a GeoJSON object; got {type(geojson).__name__}")
    _check_crs(geojson)
    polygons = [polygon for rings in _rings(geojson, 0) if (polygon := _polygon(rings, notes)) is not None]
    if not polygons:
        raise AreaRefused("the area of interest is empty: expected a GeoJSON Polygon or MultiPolygon with coordinates")
    count = sum(len(ring.coords) for polygon in polygons for ring in (polygon.exterior, *polygon.interiors))
    if count > MAX_VERTICES:
        raise AreaRefused(f"the area of interest has {count:,} vertices; at most {MAX_VERTICES:,}: simplify it first")
    return polygons


def _check_crs(geojson: Mapping[str, Any]) -> None:
    crs = geojson.get("crs")
    if isinstance(crs, Mapping) and not any(name in str(crs) for name in _WGS84_NAMES):
        raise AreaRefused(
            f"the area of interest names another coordinate system ({crs.get('properties')}); GeoJSON is WGS84 "
            "longitude/latitude: convert it first (ogr2ogr -t_srs EPSG:4326)"
        )


def _rings(value: Any, depth: int) -> Iterator[Sequence[Any]]:
    """Yield the coordinates of every polygon, however deep it lies."""
    if not isinstance(value, Mapping) or depth > _MAX_DEPTH:
        raise AreaRefused("the area of interest is not GeoJSON: expected an object with `type` and `coordinates`")
    kind = value.get("type")
    children = {"FeatureCollection": "features", "GeometryCollection": "geometries"}.get(str(kind))
    if children is not None:
        for child in _sequence(value.get(children), children):
            yield from _rings(child, depth + 1)
    elif kind == "Feature":
        if value.get("geometry") is not None:
            yield from _rings(value["geometry"], depth + 1)
    elif kind == "Polygon":
        yield _sequence(value.get("coordinates"), "coordinates")
    elif kind == "MultiPolygon":
        yield from (_sequence(rings, "coordinates") for rings in _sequence(value.get("coordinates"), "coordinates"))
    else:
        raise AreaRefused(
            f"expected the area of interest as a GeoJSON Polygon, MultiPolygon, Feature or FeatureCollection; "
            f"got {kind!r:.80}"
        )


def _sequence(value: Any, name: str) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise AreaRefused(f"the area of interest is not GeoJSON: `{name}` must be an array; got {type(value).__name__}")
    return value


def _polygon(rings: Sequence[Any], notes: list[str]) -> Polygon | None:
    if not rings:
        return None
    if len(rings) > MAX_VERTICES or sum(len(ring) for ring in rings if isinstance(ring, list | tuple)) > MAX_VERTICES:
        raise AreaRefused(f"the area of interest has more than {MAX_VERTICES:,} vertices: simplify it first")
    read = [_ring(_sequence(ring, "coordinates"), notes) for ring in rings]
    plain = Polygon(read[0], read[1:])
    if not _jumps(read[0]):
        return plain
    turned = [[(x + 360.0 if x < 0 else x, y) for x, y in ring] for ring in read]
    across = Polygon(turned[0], turned[1:])
    if 0 < across.area < plain.area:
        notes.append("the area's outline jumps from one side of the antimeridian to the other: read as crossing it")
        return across
    return plain


def _ring(positions: Sequence[Any], notes: list[str]) -> Ring:
    ring = [_position(position, notes) for position in positions]
    if ring and ring[0] != ring[-1]:
        ring.append(ring[0])
        notes.append("an open ring of the area of interest was closed")
    if len(ring) < 4:
        raise AreaRefused(
            f"a ring of the area of interest has {len(ring)} position(s); "
            "a polygon needs at least four, the last equal to the first"
        )
    _check_range(ring)
    return ring


def _position(value: Any, notes: list[str]) -> Position:
    if not isinstance(value, list | tuple) or len(value) < 2:
        raise AreaRefused(f"expected positions of the area of interest as [longitude, latitude]; got {value!r:.80}")
    if any(isinstance(number, bool) or not isinstance(number, int | float) for number in value[:2]):
        raise AreaRefused(f"expected numbers as [longitude, latitude] in the area of interest; got {value!r:.80}")
    try:
        x, y = float(value[0]), float(value[1])
    except OverflowError:
        x = y = math.inf
    if not (math.isfinite(x) and math.isfinite(y)):
        raise AreaRefused(f"a position of the area of interest is not finite: {value!r:.80}")
    if len(value) > 2:
        notes.append("heights of the area of interest were dropped")
    return x, y


def _check_range(ring: Ring) -> None:
    xs, ys = [x for x, _ in ring], [y for _, y in ring]
    if max(map(abs, ys)) > 90:
        if max(map(abs, xs)) <= 90 and max(map(abs, ys)) <= 360:
            raise AreaRefused(
                f"the area of interest reaches latitude {max(ys, key=abs):g}: its axes look swapped; "
                "GeoJSON positions are [longitude, latitude]"
            )
        raise AreaRefused(
            f"the area of interest reaches ({max(xs, key=abs):g}, {max(ys, key=abs):g}); expected WGS84 degrees, "
            "latitude within ±90: convert projected coordinates first"
        )
    if max(map(abs, xs)) > 540:
        raise AreaRefused(f"the area of interest reaches longitude {max(xs, key=abs):g}; expected degrees within ±180")


def _jumps(ring: Ring) -> bool:
    """Tell whether an edge goes more than half around the globe, within -180..180 degrees."""
    if any(abs(x) > 180 for x, _ in ring):
        return False
    return any(abs(a[0] - b[0]) > 180 for a, b in pairwise(ring))
