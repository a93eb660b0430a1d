"""Outlines of a raster's regions as polygons whose shared edges have the same vertices, simplified or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio import features

Floats = NDArray[np.float64]
Polygons = NDArray[np.object_]
Between = Callable[[Floats, Floats], tuple[NDArray[np.intp], Floats]]
"""Given the edges' starts and ends, (E, 2) each: how many vertices go between, (E,), and which, in order, (sum, 2)."""

VERTICES_AT_ONCE = 200_000

OFFSET_GRID = Affine(1, 0, 1, 0, -1, 0)
"""x = col + 1, y = -row: rasterio would warn of x = col that GDAL takes it for no geotransform."""


def junctions(regions: NDArray[np.int32], first_row: int) -> NDArray[np.int64]:
    """Find the pixel corners where one region's straight edge meets two others, as (row, col), (N, 2).

    Polygonizing leaves no vertex there in the straight one's outline.

    Args:
        regions: (H, W); corners between its rows are looked at.
        first_row: row of the whole raster at which `regions` begins.
    """
    a, b, c, d = regions[:-1, :-1], regions[:-1, 1:], regions[1:, :-1], regions[1:, 1:]
    found = np.zeros(a.shape, bool)
    for one, two, three, four in ((a, b, c, d), (c, d, a, b), (a, c, b, d), (b, d, a, c)):
        found |= (one == two) & (three != four) & (one != three) & (one != four)
    rows, cols = np.nonzero(found)
    return np.stack([rows + first_row + 1, cols + 1], axis=1)


def trace_regions(path: Path, corners: NDArray[np.int64], count: int, simplify_px: float) -> Polygons:
    """Trace the regions of a raster.

    Args:
        path: raster of region numbers from 1; 0 is no region. Its geotransform is `OFFSET_GRID`.
        corners: all `junctions` of the raster, (N, 2).
        count: the number of regions.
        simplify_px: tolerance in pixels: the square root of the area of the corners that may be cut off.

    Returns:
        One valid polygon per region in (col, -row), together a coverage: neighbours share every vertex of their edges.
    """
    polygons, rings, owners, waiting = np.empty(count, object), list[Floats](), list[int](), 0
    with rasterio.open(path) as dataset:
        between = _corners_between(corners, max(dataset.shape) + 1)
        for outline, number in features.shapes(rasterio.band(dataset, 1), connectivity=4):
            if number > 0:
                rings.extend(np.array(ring) for ring in outline["coordinates"])
                owners.extend([int(number) - 1] * len(outline["coordinates"]))
                waiting += sum(len(ring) for ring in outline["coordinates"])
            if waiting > VERTICES_AT_ONCE:
                polygons[np.unique(owners)] = _finish(rings, owners, between)
                rings, owners, waiting = [], [], 0
    if rings:
        polygons[np.unique(owners)] = _finish(rings, owners, between)
    if simplify_px > 0 and count:
        polygons = np.asarray(shapely.coverage_simplify(polygons, simplify_px))
    return polygons


def batches(polygons: Polygons) -> Iterator[slice]:
    """Cut a list of polygons into runs of no more than about `VERTICES_AT_ONCE` vertices, to work on one at a time."""
    run = np.cumsum(shapely.get_num_coordinates(polygons)) // VERTICES_AT_ONCE
    edges = [0, *(np.flatnonzero(np.diff(run)) + 1).tolist(), len(polygons)]
    for start, stop in pairwise(edges):
        yield slice(start, stop)


def _finish(rings: list[Floats], owners: list[int], between: Between) -> Polygons:
    """Make polygons of rings as GDAL traced them, in the order of their owners."""
    ring_of = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    vertices = np.concatenate(rings) - [OFFSET_GRID.c, OFFSET_GRID.f]
    return _build(*_insert(vertices, ring_of, between), np.unique(owners, return_inverse=True)[1])


def insert_vertices(polygons: Polygons, between: Between) -> Polygons:
    """Put more vertices on the polygons' edges.

    Args:
        polygons: (N,), no multipolygons.
        between: which vertices; to keep a coverage it must give an edge and its reverse the same ones.
    """
    if not len(polygons):
        return polygons
    rings, owners = shapely.get_rings(polygons, return_index=True)
    return _build(*_insert(*shapely.get_coordinates(rings, return_index=True), between), owners)


def _insert(
    vertices: Floats, ring_of: NDArray[np.integer[Any]], between: Between
) -> tuple[Floats, NDArray[np.integer[Any]]]:
    """Put vertices on the edges of rings that lie one after the other, some edges at a time."""
    edges = np.flatnonzero(ring_of[1:] == ring_of[:-1])
    places, points = [np.empty(0, np.intp)], [np.empty((0, 2))]
    for some in np.array_split(edges, len(edges) // VERTICES_AT_ONCE + 1):
        counts, found = between(vertices[some], vertices[some + 1])
        places.append(np.repeat(some + 1, counts))
        points.append(found)
    place = np.concatenate(places)
    return np.insert(vertices, place, np.concatenate(points), axis=0), np.insert(ring_of, place, ring_of[place])


def _build(vertices: Floats, ring_of: NDArray[np.integer[Any]], owners: NDArray[np.integer[Any]]) -> Polygons:
    """Make polygons from rings, each ring told its polygon; of a polygon's rings the outer one comes first."""
    rings = np.asarray(shapely.linearrings(vertices, indices=ring_of))
    order = np.argsort(owners, kind="stable")
    return np.asarray(shapely.polygons(rings[order], indices=owners[order]))


def expand(counts: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Turn counts per edge into the edge of each item, and the item's place within its edge, from 0."""
    edge = np.repeat(np.arange(len(counts)), counts)
    return edge, np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)


def _corners_between(corners: NDArray[np.int64], span: int) -> Between:
    """Find, for straight edges between pixel corners, the junctions that lie on them.

    Args:
        corners: junctions as (row, col), (N, 2).
        span: larger than any row or column.
    """
    rows, cols = corners[:, 0], corners[:, 1]
    # Each junction stands twice in one sorted list: along its row, and, after all rows, along its column.
    codes = np.sort(np.concatenate([rows * span + cols, (span + cols) * span + rows]))

    def between(start: Floats, end: Floats) -> tuple[NDArray[np.intp], Floats]:
        (col, row), (to_col, to_row) = np.abs(start).astype(np.int64).T, np.abs(end).astype(np.int64).T
        level = row == to_row
        line = np.where(level, row, span + col) * span
        place, to_place = np.where(level, col, row), np.where(level, to_col, to_row)
        first = np.searchsorted(codes, line + np.minimum(place, to_place), "right")
        stop = np.searchsorted(codes, line + np.maximum(place, to_place), "left")
        edge, step = expand(stop - first)
        index = np.where((place < to_place)[edge], first[edge] + step, stop[edge] - 1 - step)
        new = codes[index] - line[edge]
        points = np.where(level[edge], [new, -row[edge]], [col[edge], -new])
        return stop - first, points.T.astype(np.float64)

    return between
