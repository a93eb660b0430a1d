"""Outlines of a raster's regions as polygons whose shared edges have the same vertices, simplified or not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio import features

Floats = NDArray[np.float64]
Polygons = NDArray[np.object_]

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
    polygons = np.empty(count, object)
    with rasterio.open(path) as dataset:
        for outline, number in features.shapes(rasterio.band(dataset, 1), connectivity=4):
            if number > 0:
                polygons[int(number) - 1] = shapely.Polygon(outline["coordinates"][0], outline["coordinates"][1:])
        shape = dataset.shape
    polygons = _with_corners(_in_pixels(polygons), corners, shape)
    if simplify_px > 0 and count:
        polygons = np.asarray(shapely.coverage_simplify(polygons, simplify_px))
    return polygons


def insert_vertices(
    polygons: Polygons, between: Callable[[Floats, Floats], tuple[NDArray[np.intp], Floats]]
) -> Polygons:
    """Put more vertices on the polygons' edges.

    Args:
        polygons: (N,), no multipolygons.
        between: given the edges' starts and ends, each (E, 2), tells how many vertices go between, (E,), and which,
            in order, (sum, 2). To keep a coverage it must give an edge and its reverse the same vertices.
    """
    if not len(polygons):
        return polygons
    rings, polygon_of_ring = shapely.get_rings(polygons, return_index=True)
    vertices, ring_of = shapely.get_coordinates(rings, return_index=True)
    edges = np.flatnonzero(ring_of[1:] == ring_of[:-1])
    counts, points = between(vertices[edges], vertices[edges + 1])
    places = np.repeat(edges + 1, counts)
    vertices = np.insert(vertices, places, points, axis=0)
    ring_of = np.insert(ring_of, places, ring_of[places])
    rings = np.asarray(shapely.linearrings(vertices, indices=ring_of))
    return np.asarray(shapely.polygons(rings, indices=polygon_of_ring))


def expand(counts: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Turn counts per edge into the edge of each item, and the item's place within its edge, from 0."""
    edge = np.repeat(np.arange(len(counts)), counts)
    return edge, np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)


def _in_pixels(polygons: Polygons) -> Polygons:
    return np.asarray(shapely.transform(polygons, lambda vertices: vertices - [1.0, 0.0]))


def _with_corners(polygons: Polygons, corners: NDArray[np.int64], shape: tuple[int, int]) -> Polygons:
    """Insert into every straight edge the junctions that lie on it."""
    rows, cols = corners[:, 0], corners[:, 1]
    span = max(shape) + 1
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

    return insert_vertices(polygons, between)
