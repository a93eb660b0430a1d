"""Polygons with a number each, burned onto a grid: a pixel's number does not depend on the window it is read in."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from geo.aoi import snapped
from geo.lattice import crs_of

_LONGEST_M, _LONGEST_DEG = 1_000.0, 0.01
"""Longer edges get vertices between, so that they stay straight where they were drawn."""


class BurnedPolygons:
    """Polygons on a grid, north-up or not. A pixel has the number of the last polygon that its centre lies in.

    Args:
        polygons: shapely polygons and multipolygons.
        numbers: one per polygon, 0..255.
        crs: of the polygons.
        geobox: the grid.
    """

    def __init__(self, polygons: Sequence[BaseGeometry], numbers: Sequence[int], crs: CRS, geobox: GeoBox) -> None:
        longest = _LONGEST_DEG if crs.geographic else _LONGEST_M / crs.proj.axis_info[0].unit_conversion_factor
        to_grid = Transformer.from_crs(crs.to_wkt(), crs_of(geobox).to_wkt(), always_xy=True)
        moved = shapely.transform(
            shapely.segmentize(np.asarray(polygons, object), longest), partial(_in_pixels, to_grid, ~geobox.affine)
        )
        rows, cols = geobox.shape
        near = shapely.is_valid_input(moved) & ~shapely.is_empty(moved)
        near &= np.isfinite(shapely.bounds(moved)).all(axis=1)  # else it cannot be expressed in the grid's CRS
        near[near] = shapely.intersects(moved[near], shapely.box(0, 0, cols, rows))
        self._polygons, self._numbers = moved[near], np.asarray(numbers, np.uint8)[near]
        self._tree = shapely.STRtree(self._polygons)

    def __len__(self) -> int:
        """How many of the polygons touch the grid."""
        return len(self._polygons)

    def read(self, row: int, col: int, height: int, width: int, *, outside: int) -> NDArray[np.uint8]:
        """Burn a window of the grid, (height, width); `outside` is the number of pixels in no polygon."""
        hit = np.sort(self._tree.query(shapely.box(col, row, col + width, row + height)))
        shapes = [(self._polygons[i], int(self._numbers[i])) for i in hit]
        if not shapes:
            return np.full((height, width), outside, np.uint8)
        burned = rasterize(shapes, (height, width), fill=outside, transform=Affine.translation(col, row), dtype="uint8")
        return np.asarray(burned)


def _in_pixels(to_grid: Transformer, to_pixels: Affine, xy: NDArray[np.float64]) -> NDArray[Any]:
    x, y = to_grid.transform(xy[:, 0], xy[:, 1])
    cols = to_pixels.a * x + to_pixels.b * y + to_pixels.c
    rows = to_pixels.d * x + to_pixels.e * y + to_pixels.f
    return snapped(np.column_stack([cols, rows]))
