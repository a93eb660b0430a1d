"""Random fields: fractal noise, and maps of cells (Voronoi) and of fields in strips. All lengths in pixels."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

_LEVEL_VARIANCE = 0.42  # of white noise after smoothing by the subdivision, measured


def fractal(
    rng: np.random.Generator,
    shape: tuple[int, int],
    feature_px: float,
    *,
    persistence: float = 0.6,
    finest_px: float = 1.0,
) -> Floats:
    """Gaussian noise with structures from `feature_px` down to `finest_px`, of about zero mean and unit variance.

    White noise is refined by quadratic B-spline subdivision, with `persistence` times less new noise at each
    halving; all sizes are rounded to powers of two.

    Returns:
        (height, width) float32.
    """
    levels = max(0, round(math.log2(max(feature_px, 1.0))))
    quiet = min(levels, max(0, round(math.log2(max(finest_px, 1.0)))))
    sizes = [shape]
    for _ in range(levels):
        sizes.append((-(-sizes[-1][0] // 2) + 1, -(-sizes[-1][1] // 2) + 1))
    field = rng.standard_normal(sizes[-1], dtype=np.float32)
    amplitude, variance = 1.0, 1.0
    for level in range(levels - 1, -1, -1):
        rows, cols = sizes[level]
        field = refine(field, rows, cols)
        amplitude *= persistence
        if level >= quiet:
            variance = (variance if level < levels - 1 else _LEVEL_VARIANCE) + amplitude**2 * _LEVEL_VARIANCE
            field += np.float32(amplitude) * rng.standard_normal((rows, cols), dtype=np.float32)
        elif level == levels - 1:
            variance = _LEVEL_VARIANCE
    return np.multiply(field, np.float32(1 / math.sqrt(variance)))


def refine(values: Floats, rows: int, cols: int) -> Floats:
    """Double the rows and columns by Chaikin's rule and keep the first `rows` x `cols`.

    Args:
        values: (r, c) with rows <= 2 * r - 2 and cols <= 2 * c - 2.
        rows: rows that are kept.
        cols: columns that are kept.
    """
    tall = np.empty((2 * values.shape[0] - 2, values.shape[1]), np.float32)
    quarter = np.float32(0.25) * (values[1:] - values[:-1])
    np.add(values[:-1], quarter, out=tall[0::2])
    np.subtract(values[1:], quarter, out=tall[1::2])
    tall = tall[:rows]
    wide = np.empty((rows, 2 * values.shape[1] - 2), np.float32)
    quarter = np.float32(0.25) * (tall[:, 1:] - tall[:, :-1])
    np.add(tall[:, :-1], quarter, out=wide[:, 0::2])
    np.subtract(tall[:, 1:], quarter, out=wide[:, 1::2])
    return wide[:, :cols]


def cells(
    rng: np.random.Generator, shape: tuple[int, int], cell_px: float, *, warp_px: float = 0.0
) -> tuple[Ints, int]:
    """Voronoi cells of about `cell_px` with edges bent by up to about `warp_px`.

    Returns:
        (height, width) int32 cell numbers, and how many numbers there are.
    """
    rows = np.arange(shape[0], dtype=np.float32)[:, None] / np.float32(cell_px)
    cols = np.arange(shape[1], dtype=np.float32)[None, :] / np.float32(cell_px)
    if warp_px > 0:
        bend = np.float32(warp_px / cell_px)
        rows = rows + bend * fractal(rng, shape, cell_px)
        cols = cols + bend * fractal(rng, shape, cell_px)
    rows, cols = np.broadcast_arrays(rows, cols)
    tall, wide = int(shape[0] / cell_px) + 12, int(shape[1] / cell_px) + 12
    points = rng.random((2, tall, wide), dtype=np.float32)
    row = np.clip(np.floor(rows).astype(np.int32) + 5, 1, tall - 2)
    col = np.clip(np.floor(cols).astype(np.int32) + 5, 1, wide - 2)
    flat_points = points.reshape(2, -1)
    nearest, best = np.zeros(shape, np.int32), np.full(shape, np.inf, np.float32)
    base = row * wide + col
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            index = base + (down * wide + right)
            height = flat_points[0].take(index) + (row + np.float32(down - 5)) - rows
            across = flat_points[1].take(index) + (col + np.float32(right - 5)) - cols
            distance = height * height + across * across
            closer = distance < best
            best = np.where(closer, distance, best)
            nearest = np.where(closer, index, nearest)
    return nearest.astype(np.int32), tall * wide


def strips(
    rng: np.random.Generator, shape: tuple[int, int], width_px: float, length_px: float, angle: float
) -> tuple[Ints, int, Floats]:
    """Rectangles in parallel strips, as fields and clearings lie.

    Args:
        rng: source of chance.
        shape: (height, width) in pixels.
        width_px: mean width of a strip.
        length_px: mean length of a rectangle.
        angle: direction of the strips in radians.

    Returns:
        (height, width) int32 numbers, how many numbers there are, and the distance to the strip's edge in pixels.
    """
    diagonal = math.hypot(*shape)
    rows = np.arange(shape[0], dtype=np.float32)[:, None] - np.float32(shape[0] / 2)
    cols = np.arange(shape[1], dtype=np.float32)[None, :] - np.float32(shape[1] / 2)
    cosine, sine = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    across = cols * cosine + rows * sine + np.float32(diagonal / 2 + 2)
    along = rows * cosine - cols * sine + np.float32(diagonal / 2 + 2)
    count = int(2 * diagonal / width_px) + 3
    edges = np.cumsum(rng.uniform(0.6, 1.4, count) * width_px) - rng.uniform(0, width_px)
    fine = np.minimum((across * np.float32(4)).astype(np.int32), int(4 * diagonal) + 15)
    ticks = np.arange(int(4 * diagonal) + 16) / 4
    number_at = np.searchsorted(edges, ticks).astype(np.int32)
    edge_at = np.abs(ticks[:, None] - edges[None, :]).min(1).astype(np.float32)
    strip = number_at.take(fine)
    lengths = (length_px * rng.uniform(0.6, 1.6, count + 1)).astype(np.float32)
    shifts = rng.uniform(0, length_px, count + 1).astype(np.float32)
    per_strip = int(diagonal / (0.6 * length_px)) + 4
    block = ((along + shifts.take(strip)) / lengths.take(strip)).astype(np.int32)
    return strip * np.int32(per_strip) + np.clip(block, 0, per_strip - 1), (count + 1) * per_strip, edge_at.take(fine)


def smoothstep(values: Floats, low: float, high: float) -> Floats:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((values - np.float32(low)) * np.float32(1 / (high - low)), np.float32(0), np.float32(1))
    smooth: Floats = t * t * (np.float32(3) - np.float32(2) * t)
    return smooth
