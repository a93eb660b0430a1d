"""Areas on the ellipsoid, per class and date; never the square of a pixel's edge in degrees or in grid metres."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from geo.blocks import Block
from geo.lattice import crs_of
from geo.legend import LegendClass

_CELL_M = 2_000.0
_SPACING_M = 4_000.0
_DEGREE_M = 111_320.0
M2_PER_HA = 10_000.0


@dataclass(frozen=True)
class PixelAreas:
    """True areas of a grid's pixels, interpolated between geodesic areas of cells some kilometres apart.

    A pixel itself is too small: the area of a geodesic polygon is known to about 0.1 m². Between the cells the
    scale of a map projection, and the width of a degree, are straight lines to better than 1e-6.

    Attributes:
        step_rows, step_cols: distance between the cells' centres in pixels; the first lies on pixel corner (0, 0).
        cells: mean area of a pixel in each cell, (rows, cols), m².
    """

    step_rows: float
    step_cols: float
    cells: NDArray[np.float64]

    def window(self, row: int, col: int, height: int, width: int) -> NDArray[np.float64]:
        """Return the area of each pixel of a window, (height, width), m²; the same whatever window asks."""
        low, share = _between((np.arange(row, row + height) + 0.5) / self.step_rows)
        along_rows = self.cells[low] * (1 - share)[:, None] + self.cells[low + 1] * share[:, None]
        low, share = _between((np.arange(col, col + width) + 0.5) / self.step_cols)
        values: NDArray[np.float64] = along_rows[:, low] * (1 - share) + along_rows[:, low + 1] * share
        return values


@dataclass(frozen=True)
class AreaTable:
    """What `measure_areas` found.

    Attributes:
        classes_m2: (dates, classes).
        observed_m2: (dates,), area that was clear on the date itself.
        aoi_m2: area of the pixels inside the area of interest.
    """

    classes_m2: NDArray[np.float64]
    observed_m2: NDArray[np.float64]
    aoi_m2: float


def pixel_areas(geobox: GeoBox) -> PixelAreas:
    """Measure the cells of a grid.

    Raises:
        StackRefused: the grid has no CRS.
    """
    crs = crs_of(geobox)
    a, _, _, _, e, _ = tuple(geobox.affine)[:6]
    unit_m = _DEGREE_M if crs.geographic else crs.proj.axis_info[0].unit_conversion_factor
    rows, cols = geobox.shape
    row_nodes, step_rows = _nodes(rows, abs(e) * unit_m)
    col_nodes, step_cols = _nodes(cols, abs(a) * unit_m)
    half_rows = max(0.5, _CELL_M / (abs(e) * unit_m) / 2)
    half_cols = max(0.5, _CELL_M / (abs(a) * unit_m) / 2)
    cells = [[_cell_m2(geobox, r, c, half_rows, half_cols) for c in col_nodes] for r in row_nodes]
    return PixelAreas(step_rows, step_cols, np.array(cells))


def _nodes(size: int, res_m: float) -> tuple[list[float], float]:
    """Space the cells' centres evenly from 0 to `size` pixels; returns them and their distance."""
    count = max(1, math.ceil(size * res_m / _SPACING_M))
    step = size / count
    return [step * i for i in range(count + 1)], step


def _cell_m2(geobox: GeoBox, row: float, col: float, half_rows: float, half_cols: float) -> float:
    """Geodesic area of the cell around a pixel corner, per pixel."""
    crs = crs_of(geobox)
    top, bottom, left, right = row - half_rows, row + half_rows, col - half_cols, col + half_cols
    affine = geobox.affine
    corners = [affine @ corner for corner in ((left, top), (left, bottom), (right, bottom), (right, top))]
    xs, ys = (list(values) for values in zip(*corners, strict=True))
    if not crs.geographic:
        to_degrees = Transformer.from_crs(crs.proj, crs.proj.geodetic_crs, always_xy=True)
        xs, ys = to_degrees.transform(xs, ys)
    geod = crs.proj.get_geod()
    if geod is None:
        raise ValueError(f"areas on the ellipsoid need a CRS on the earth; got {crs}")
    area_m2, _ = geod.polygon_area_perimeter(xs, ys)
    return abs(float(area_m2)) / (4 * half_rows * half_cols)


def _between(position: NDArray[np.floating[Any]]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Split positions on a lattice into the cell before, and the share of the way to the next."""
    low = np.floor(position).astype(np.intp)
    return low, position - low


def measure_areas(
    geobox: GeoBox,
    blocks: Sequence[Block],
    files: Callable[[int], tuple[Path, Path]],
    *,
    dates: int,
    classes: int,
) -> AreaTable:
    """Add up the blocks' pixels, one date of one block at a time.

    Args:
        geobox: grid that the blocks are cut from.
        blocks: all that touch the area of interest.
        files: masks.tif (class ids, 255 = never seen) and observed.tif (1 = clear on that date, 0 = not, 255 =
            outside the area of interest) of a block, one band per date each.
        dates: how many there are.
        classes: how many there are, with ids from 0.
    """
    areas = pixel_areas(geobox)
    classes_m2, observed_m2, aoi_m2 = np.zeros((dates, classes)), np.zeros(dates), 0.0
    for block in blocks:
        masks, observed = files(block.index)
        weights = areas.window(block.row, block.col, block.height, block.width).ravel()
        with rasterio.open(masks) as mask_file, rasterio.open(observed) as observed_file:
            for t in range(dates):
                ids = mask_file.read(t + 1).ravel()
                classes_m2[t] += np.bincount(ids, weights, minlength=256)[:classes]
                looks = np.bincount(observed_file.read(t + 1).ravel(), weights, minlength=256)
                observed_m2[t] += looks[1]
                aoi_m2 += float(looks[0] + looks[1]) if t == 0 else 0.0
    return AreaTable(classes_m2, observed_m2, aoi_m2)


def write_areas(table: AreaTable, dates: Sequence[tuple[str, date]], classes: Sequence[LegendClass], dst: Path) -> None:
    """Write one row per date and class.

    A class total carries the last look: where a date is not clear, the class seen last still counts. What was never
    seen by then is in no class, so the classes of a date add up to `aoi_ha` only once everything was seen.
    `observed_share` is the part of the area of interest that was clear on the date itself.

    Args:
        table: the areas.
        dates: label and calendar day of each date.
        classes: the legend, in the order of the table's columns.
        dst: file to write; UTF-8, commas, one header line.
    """
    aoi_ha = table.aoi_m2 / M2_PER_HA
    with dst.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["label", "date", "class_id", "class", "area_ha", "aoi_ha", "observed_share"])
        for t, (label, day) in enumerate(dates):
            share = table.observed_m2[t] / table.aoi_m2 if table.aoi_m2 else 0.0
            for k, land_class in enumerate(classes):
                area_ha = table.classes_m2[t, k] / M2_PER_HA
                row = [label, day.isoformat(), land_class.id, land_class.name]
                writer.writerow([*row, f"{area_ha:.4f}", f"{aoi_ha:.4f}", f"{share:.6f}"])
