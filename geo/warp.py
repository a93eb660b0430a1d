"""Warping that does not depend on the window: where a lattice's pixels lie in a scene, and what is there.

GDAL's warper approximates coordinates between the corners of whatever chunk it works on, so the same pixel differs
between windows. Here coordinates are exact at the nodes of a mesh that is fixed on the lattice (every 16th pixel)
and interpolated between them; then each pixel's value is the same in every window, bit for bit.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import pyproj
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geo.blocks import Window
from geo.lattice import Lattice, crs_of

MESH_PX = 16
"""At 3 m pixels the mesh is off by less than 1e-4 pixel between UTM zones."""

Coordinates = tuple[NDArray[np.float64], NDArray[np.float64]]


def scene_coordinates(lattice: Lattice, row: int, col: int, shape: tuple[int, int], scene: GeoBox) -> Coordinates:
    """Tell where the pixel centres of a window lie in a scene.

    Args:
        lattice: the grid that is read onto.
        row: first row of the window on the lattice.
        col: its first column.
        shape: (height, width) of the window.
        scene: the scene's grid.

    Returns:
        rows and cols, (H, W), in the scene's pixels: 0.0 is the centre of its first pixel; NaN off the projection.
    """
    height, width = shape
    first_row, first_col = row // MESH_PX, col // MESH_PX
    node_rows = np.arange(first_row, (row + height - 1) // MESH_PX + 2) * MESH_PX
    node_cols = np.arange(first_col, (col + width - 1) // MESH_PX + 2) * MESH_PX
    y_index, y_share = _shares(row, height, first_row)
    x_index, x_share = _shares(col, width, first_col)

    def refine(nodes: NDArray[np.float64]) -> NDArray[np.float64]:
        tall = nodes[y_index] * (1.0 - y_share)[:, None] + nodes[y_index + 1] * y_share[:, None]
        return np.asarray(tall[:, x_index] * (1.0 - x_share) + tall[:, x_index + 1] * x_share)

    rows, cols = _node_coordinates(lattice, node_rows, node_cols, scene)
    return refine(rows), refine(cols)


def scene_window(lattice: Lattice, scene: GeoBox) -> Window | None:
    """Return the window of the lattice around a scene, with a margin; None where it has no place there."""
    rows, cols = scene.shape
    r, c = np.linspace(0, rows, 33), np.linspace(0, cols, 33)
    edge_cols = np.concatenate([c, c, np.zeros(33), np.full(33, cols)])
    edge_rows = np.concatenate([np.zeros(33), np.full(33, rows), r, r])
    xs, ys = _applied(scene.affine, edge_cols, edge_rows)
    x, y = _transformer(crs_of(scene).to_wkt(), lattice.crs.to_wkt()).transform(xs, ys)
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        return None
    top, left = lattice.pixel(float(x[known].min()), float(y[known].max()))
    bottom, right = lattice.pixel(float(x[known].max()), float(y[known].min()))
    row, col = math.floor(top) - MESH_PX, math.floor(left) - MESH_PX
    return Window(row, col, math.ceil(bottom) + MESH_PX - row, math.ceil(right) + MESH_PX - col)


def bilinear(
    values_CHW: NDArray[np.uint16], valid_HW: NDArray[np.bool_], rows: NDArray[np.float64], cols: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Interpolate between the four nearest pixels, leaving out those that are not valid.

    Args:
        values_CHW: pixels of the scene, or of a window of it that holds every neighbour.
        valid_HW: True = data.
        rows: (h, w), where to read, in pixels of `values_CHW`; may lie outside, may be NaN.
        cols: likewise.

    Returns:
        values (C, h, w), 0 where there are none, and found (h, w): True where the nearest pixel is valid.
    """
    height, width = valid_HW.shape
    nearest_ok = nearest(valid_HW, rows, cols)
    r, c = np.where(nearest_ok, rows, 0.0), np.where(nearest_ok, cols, 0.0)
    r0, c0 = np.floor(r), np.floor(c)
    dr, dc = (r - r0).astype(np.float32), (c - c0).astype(np.float32)
    flat, flat_ok = values_CHW.reshape(len(values_CHW), -1), valid_HW.reshape(-1)
    total = np.zeros(rows.shape, np.float32)
    out = np.zeros((len(values_CHW), *rows.shape), np.float32)
    for step_r, step_c in ((0, 0), (0, 1), (1, 0), (1, 1)):
        at_r, at_c = r0.astype(np.intp) + step_r, c0.astype(np.intp) + step_c
        inside = (at_r >= 0) & (at_r < height) & (at_c >= 0) & (at_c < width)
        index = np.clip(at_r, 0, height - 1) * width + np.clip(at_c, 0, width - 1)
        weight = (dr if step_r else 1 - dr) * (dc if step_c else 1 - dc)
        weight *= inside & flat_ok[index]
        total += weight
        for channel, plane in enumerate(flat):
            out[channel] += weight * plane[index]
    np.divide(out, total, out=out, where=nearest_ok & (total > 0))
    out[:, ~nearest_ok] = 0
    return out, nearest_ok


def nearest(mask_HW: NDArray[np.bool_], rows: NDArray[np.float64], cols: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Read a mask at the pixels nearest to (rows, cols); False outside and at NaN."""
    height, width = mask_HW.shape
    with np.errstate(invalid="ignore"):
        inside = (rows >= -0.5) & (rows < height - 0.5) & (cols >= -0.5) & (cols < width - 0.5)
    r = np.floor(np.where(inside, rows, 0.0) + 0.5).astype(np.intp)
    c = np.floor(np.where(inside, cols, 0.0) + 0.5).astype(np.intp)
    return np.asarray(inside & mask_HW[r, c])


def _shares(start: int, size: int, first_node: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    pixels = np.arange(start, start + size)
    return (pixels // MESH_PX - first_node).astype(np.intp), (pixels % MESH_PX) / MESH_PX


def _node_coordinates(
    lattice: Lattice, node_rows: NDArray[np.int64], node_cols: NDArray[np.int64], scene: GeoBox
) -> Coordinates:
    x = (node_cols + 0.5 + lattice.phase_x) * lattice.res_x
    y = -(node_rows + 0.5 + lattice.phase_y) * lattice.res_y
    xs, ys = np.meshgrid(x, y)
    xs, ys = _transformer(lattice.crs.to_wkt(), crs_of(scene).to_wkt()).transform(xs, ys)
    if crs_of(scene).geographic:
        middle, _ = scene.affine * (scene.shape[1] / 2, scene.shape[0] / 2)
        xs = xs + 360.0 * np.round((middle - xs) / 360.0)
    known = np.isfinite(xs) & np.isfinite(ys)
    xs, ys = np.where(known, xs, np.nan), np.where(known, ys, np.nan)
    cols, rows = _applied(~scene.affine, xs, ys)
    return rows - 0.5, cols - 0.5


def _applied(affine: Affine, x: NDArray[np.float64], y: NDArray[np.float64]) -> Coordinates:
    return affine.a * x + affine.b * y + affine.c, affine.d * x + affine.e * y + affine.f


@lru_cache(maxsize=64)
def _transformer(source_wkt: str, target_wkt: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(source_wkt, target_wkt, always_xy=True)
