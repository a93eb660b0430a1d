"""Kinds of ground, and what is laid over the natural cover: bare ground, settlements, water, roads."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from geo.simulator.noise import Floats, fractal, strips
from geo.simulator.spec import SeriesSpec

WILD, FIELD, BARE, BUILT, WATER = range(5)
"""Kinds of ground."""


def paint_ground(
    spec: SeriesSpec, rng: np.random.Generator, kind: NDArray[np.uint8], canopy: Floats, wetness: Floats
) -> None:
    """Lay bare ground, settlements, rivers, ponds, lakes and roads over the map of kinds; trees there go."""
    res, shape = spec.res_m, spec.shape
    bare = fractal(rng, shape, 200 / res, finest_px=1) - np.float32(0.4) * wetness
    kind[(bare > rng.uniform(2.0, 3.5)) & (canopy < 0.5)] = BARE
    if rng.uniform() < 0.25:
        town = fractal(rng, shape, rng.uniform(300, 1500) / res, persistence=0.4, finest_px=4)
        plots, count, edge_px = strips(rng, shape, 45 / res, 30 / res, rng.uniform(0, math.pi))
        built = (rng.uniform(size=count) < rng.uniform(0.3, 0.8)).take(plots) | (edge_px * res < 6)
        kind[(town > rng.uniform(1.2, 2.5)) & built] = BUILT
    course = fractal(rng, shape, rng.uniform(800, 2500) / res, persistence=0.35, finest_px=4)
    slope_per_px = 1.2 * res / 1500
    if rng.uniform() < 0.45:
        kind[np.abs(course - np.float32(rng.normal(0, 0.5))) < rng.uniform(4, 60) / res * slope_per_px] = WATER
    if rng.uniform() < 0.4:
        size_m = rng.choice([250.0, 2000.0])
        pond = np.float32(0.6) * wetness + fractal(rng, shape, size_m / res, persistence=0.4, finest_px=2)
        kind[pond > rng.uniform(1.3, 3.0)] = WATER
    for _ in range(rng.integers(0, 4)):
        _paint_road(spec, rng, kind)
    canopy[kind >= BARE] = 0


def _paint_road(spec: SeriesSpec, rng: np.random.Generator, kind: NDArray[np.uint8]) -> None:
    """Lay one bent road, now and then with houses beside it."""
    res, shape = spec.res_m, spec.shape
    angle, offset = rng.uniform(0, math.pi), rng.normal(0, 0.3 * shape[0])
    rows = np.arange(shape[0], dtype=np.float32)[:, None] - np.float32(shape[0] / 2)
    cols = np.arange(shape[1], dtype=np.float32)[None, :] - np.float32(shape[1] / 2)
    bend = np.float32(rng.uniform(5, 60) / res) * fractal(rng, shape, 700 / res, persistence=0.3, finest_px=8)
    away = np.abs(rows * np.float32(math.cos(angle)) + cols * np.float32(math.sin(angle)) + bend - np.float32(offset))
    kind[(away < rng.uniform(2, 7) / res) & (kind != WATER)] = BUILT
    if rng.uniform() < 0.3:
        houses = fractal(rng, shape, 14 / res) > np.float32(1.1)
        kind[houses & (away < rng.uniform(30, 150) / res) & (kind != WATER)] = BUILT
