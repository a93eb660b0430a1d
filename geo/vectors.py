"""Regions and instances as GeoJSON in WGS84, as RFC 7946 asks for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from geo.instances import Instances
from geo.lattice import crs_of
from geo.legend import LegendClass
from geo.outlines import Floats, Polygons, batches, expand, insert_vertices
from geo.polygons import Regions

DECIMALS = 7
"""Of a GeoJSON coordinate: about a centimetre."""

_LONGEST_M = 1_000.0
"""A longer edge of a projected grid gets vertices between, since it is no straight line in degrees."""


def write_geojson(
    regions: Regions, geobox: GeoBox, dates: Sequence[date], classes: Sequence[LegendClass], dst: Path
) -> None:
    """Write regions as a feature collection: WGS84, right-hand rule, cut at the antimeridian (RFC 7946).

    Args:
        regions: what to write.
        geobox: grid that the outlines' pixels belong to.
        dates: calendar day of each date.
        classes: the legend.
        dst: file to write.
    """
    properties = properties_of(regions, dates, classes)
    outlines = (
        outline
        for some in batches(regions.outlines)
        for outline in shapely.to_geojson(in_degrees(regions.outlines[some], geobox))
    )
    _write_collection(zip(outlines, properties, strict=True), dst)


def write_instances(instances: Instances, geobox: GeoBox, day: date, classes: Sequence[LegendClass], dst: Path) -> None:
    """Write instances as a feature collection, one feature each, in the order of their numbers; as `write_geojson`.

    Args:
        instances: what to write.
        geobox: grid that the outlines' pixels belong to.
        day: on which they were seen.
        classes: the legend.
        dst: file to write.
    """
    names = {c.id: c.name for c in classes}
    edges = np.searchsorted(instances.owner, np.arange(len(instances.score) + 1))
    parts = np.concatenate([in_degrees(instances.outlines[some], geobox) for some in batches(instances.outlines)])

    def features() -> Iterator[tuple[str, dict[str, Any]]]:
        for i, (start, stop) in enumerate(pairwise(edges)):
            yield (
                shapely.to_geojson(_polygons_of(parts[start:stop])),
                {
                    "instance": i + 1,
                    "class": names[int(instances.class_id[i])],
                    "class_id": int(instances.class_id[i]),
                    "date": day.isoformat(),
                    "score": round(float(instances.score[i]), 4),
                    "area_ha": round(float(instances.area_ha[i]), 4),
                },
            )

    _write_collection(features(), dst)


def _write_collection(features: Iterable[tuple[str, dict[str, Any]]], dst: Path) -> None:
    """Write features, told as geometry in GeoJSON and properties, numbered from 1."""
    with dst.open("w", encoding="utf-8", newline="\n") as file:
        file.write('{"type":"FeatureCollection","features":[')
        for number, (outline, properties) in enumerate(features, start=1):
            text, comma = json.dumps(properties, ensure_ascii=False, separators=(",", ":")), "," if number > 1 else ""
            file.write(f'{comma}\n{{"type":"Feature","id":{number},"geometry":{outline},"properties":{text}}}')
        file.write("\n]}\n")


def properties_of(regions: Regions, dates: Sequence[date], classes: Sequence[LegendClass]) -> Iterator[dict[str, Any]]:
    """Yield what is told of each region, dates as ISO 8601."""
    names = {c.id: c.name for c in classes}
    for i in range(len(regions.outlines)):
        yield {
            "class": names[int(regions.class_id[i])],
            "class_id": int(regions.class_id[i]),
            "first_seen": dates[int(regions.first_seen[i])].isoformat(),
            "last_seen": dates[int(regions.last_seen[i])].isoformat(),
            "area_ha": round(float(regions.area_ha[i]), 4),
            "mean_confidence": round(float(regions.mean_confidence[i]), 1),
        }


def on_grid(outlines: Polygons, geobox: GeoBox) -> Polygons:
    """Turn (col, -row) into coordinates of the grid's CRS."""
    a, _, x, _, e, y = tuple(geobox.affine)[:6]
    return np.asarray(shapely.transform(outlines, lambda v: v * [a, -e] + [x, y]))


def in_degrees(outlines: Polygons, geobox: GeoBox) -> Polygons:
    """Turn (col, -row) into WGS84 longitude and latitude; equal vertices stay equal."""
    crs = crs_of(geobox)
    polygons = on_grid(outlines, geobox)
    if not crs.geographic:
        longest = _LONGEST_M / crs.proj.axis_info[0].unit_conversion_factor
        polygons = insert_vertices(polygons, lambda start, end: _divide(start, end, longest))
    to_degrees = Transformer.from_crs(crs.proj, 4326, always_xy=True)
    middle, _ = to_degrees.transform(*_centre(geobox))

    def project(vertices: Floats) -> Floats:
        lon, lat = to_degrees.transform(vertices[:, 0], vertices[:, 1])
        near = middle + (lon - middle + 180.0) % 360.0 - 180.0
        return np.round(np.stack([near, lat], axis=1), DECIMALS)

    polygons = np.asarray(shapely.transform(polygons, project))
    return np.asarray(shapely.orient_polygons(_cut_at_antimeridian(polygons)))


def _centre(geobox: GeoBox) -> tuple[float, float]:
    rows, cols = geobox.shape
    x, y = geobox.affine @ (cols / 2, rows / 2)
    return x, y


def _divide(start: Floats, end: Floats, longest: float) -> tuple[NDArray[np.intp], Floats]:
    """Place vertices on edges longer than `longest`; an edge and its reverse get exactly the same ones."""
    pieces = np.maximum(np.ceil(np.hypot(*(end - start).T) / longest), 1).astype(np.intp)
    edge, step = expand(pieces - 1)
    back = _backward(start, end)[edge]
    low, high = np.where(back[:, None], end[edge], start[edge]), np.where(back[:, None], start[edge], end[edge])
    part = np.where(back, pieces[edge] - 1 - step, step + 1) / pieces[edge]
    return pieces - 1, low + (high - low) * part[:, None]


def _backward(start: Floats, end: Floats) -> NDArray[np.bool_]:
    """Tell which edges run against the order of x, then y."""
    (x, y), (to_x, to_y) = start.T, end.T
    return np.asarray((to_x < x) | ((to_x == x) & (to_y < y)))


def _cut_at_antimeridian(polygons: Polygons) -> Polygons:
    """Cut polygons that leave -180..180, into multipolygons whose parts lie inside."""
    west, _, east, _ = shapely.bounds(polygons).T
    cut = polygons.copy()
    for meridian, beyond in ((180.0, east > 180.0), (-180.0, west < -180.0)):
        if not beyond.any():
            continue
        crossing = insert_vertices(polygons[beyond], partial(_cross, meridian=meridian))
        here, there = shapely.box(-180, -90, 180, 90), shapely.box(2 * meridian - 180, -90, 2 * meridian + 180, 90)
        moved = shapely.transform(shapely.intersection(crossing, there), partial(np.add, [-2 * meridian, 0.0]))
        pieces = zip(shapely.intersection(crossing, here), moved, strict=True)
        cut[beyond] = [_polygons_of(pair) for pair in pieces]
    return cut


def _cross(start: Floats, end: Floats, meridian: float) -> tuple[NDArray[np.intp], Floats]:
    """Place a vertex where an edge crosses a meridian; an edge and its reverse get exactly the same one."""
    crosses = (start[:, 0] - meridian) * (end[:, 0] - meridian) < 0
    one, two = start[crosses], end[crosses]
    back = _backward(one, two)[:, None]
    low, high = np.where(back, two, one), np.where(back, one, two)
    part = (meridian - low[:, 0]) / (high[:, 0] - low[:, 0])
    lat = np.round(low[:, 1] + (high[:, 1] - low[:, 1]) * part, DECIMALS)
    return crosses.astype(np.intp), np.stack([np.full(len(lat), meridian), lat], axis=1)


def _polygons_of(pieces: Sequence[shapely.Geometry] | Polygons) -> shapely.Geometry:
    """Gather the polygons among pieces; one that only touches the meridian leaves points and lines behind, too."""
    parts = [part for part in shapely.get_parts(shapely.get_parts(pieces)) if isinstance(part, shapely.Polygon)]
    solid = [part for part in parts if not part.is_empty]
    return solid[0] if len(solid) == 1 else shapely.MultiPolygon(solid)
