"""The land before anything happens: terrain, covers, patches, trees, soils."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo.simulator.noise import Floats, Ints, cells, fractal, smoothstep, strips
from geo.simulator.spec import BIOMES, SeriesSpec

WILD, FIELD, BARE, BUILT, WATER = range(5)
"""Kinds of ground."""


@dataclass(frozen=True)
class Biome:
    """Ranges (least, most) of a mix of covers; shares lie in 0..1.

    Attributes:
        trees: share of the land under trees.
        fields: share of the land that is farmed.
        herbs: share of the open ground that herbs and shrubs cover.
        shrubs: share of shrubs among them.
        conifers: share of conifers among the trees.
        dry_green: greenness of the herbs at the driest time of year; 1 = never browns.
        leaf_fall: share of the leaves that dry in the dry season.
        bright_soil: share of bright soil.
    """

    trees: tuple[float, float]
    fields: tuple[float, float]
    herbs: tuple[float, float]
    shrubs: tuple[float, float]
    conifers: tuple[float, float]
    dry_green: tuple[float, float]
    leaf_fall: tuple[float, float]
    bright_soil: tuple[float, float]


BIOME_RANGES = {
    "rainforest": Biome((0.5, 0.97), (0.0, 0.3), (0.7, 1), (0, 0.6), (0, 0), (0.4, 0.9), (0, 0.1), (0, 0.2)),
    "woodland": Biome((0.3, 0.75), (0.0, 0.3), (0.6, 1), (0.2, 0.8), (0, 1), (0.1, 0.6), (0, 0.5), (0, 0.3)),
    "savanna": Biome((0.08, 0.45), (0.0, 0.25), (0.5, 1), (0.1, 0.6), (0, 0), (0.0, 0.35), (0.1, 0.7), (0, 0.5)),
    "mediterranean": Biome((0.15, 0.6), (0.0, 0.3), (0.4, 0.9), (0.5, 1), (0.2, 1), (0.1, 0.5), (0, 0.2), (0, 0.6)),
    "steppe": Biome((0.0, 0.15), (0.0, 0.25), (0.3, 0.8), (0.1, 0.9), (0, 1), (0.0, 0.3), (0, 0.3), (0.1, 1)),
    "farmland": Biome((0.08, 0.4), (0.35, 0.8), (0.6, 1), (0.0, 0.5), (0, 0.6), (0.1, 0.8), (0, 0.5), (0, 0.4)),
}


@dataclass(frozen=True)
class Land:
    """The land at the start. Maps are (height, width).

    Attributes:
        kind: WILD, FIELD, BARE, BUILT or WATER, uint8.
        patch: number of the field or of the natural patch, int32.
        patches: how many patch numbers there are; the fields come last.
        first_field: first patch number that is a field.
        canopy: share of the pixel under tree crowns, 0..1.
        trees: True where crowns cover at least half of the pixel.
        herbs: share of the open ground under herbs or shrubs, 0..1.
        soil_mix: 0 = the first soil, 1 = the second.
        wetness: relative moisture of the ground, about 0 +- 1.
        texture: persistent relative brightness, about 1.
        east_slope, south_slope: rise per metre towards the east and the south.
        biome: name of the mix of covers.
        conifers, shrubs, dry_green, leaf_fall: drawn from the biome's ranges.
        bright_soil: share of bright soil, drawn.
    """

    kind: NDArray[np.uint8]
    patch: Ints
    patches: int
    first_field: int
    canopy: Floats
    trees: NDArray[np.bool_]
    herbs: Floats
    soil_mix: Floats
    wetness: Floats
    texture: Floats
    east_slope: Floats
    south_slope: Floats
    biome: str
    conifers: float
    shrubs: float
    dry_green: float
    leaf_fall: float
    bright_soil: float


def make_land(spec: SeriesSpec, rng: np.random.Generator) -> Land:
    """Draw a landscape."""
    name = spec.biome if spec.biome != "any" else BIOMES[rng.integers(len(BIOMES))]
    mix = {key: rng.uniform(*edges) for key, edges in vars(BIOME_RANGES[name]).items()}
    shape, res = spec.shape, spec.res_m
    height = fractal(rng, shape, 1500 / res, persistence=0.45, finest_px=4) * np.float32(spec.terrain_relief_m)
    south, east = (gradient.astype(np.float32) for gradient in np.gradient(height, np.float32(res)))
    valley = smoothstep(fractal(rng, shape, 600 / res, persistence=0.5, finest_px=2), -2, 2) * 4 - 2
    wetness = (np.float32(0.7) * valley - np.float32(0.4 / max(spec.terrain_relief_m, 1)) * height).astype(np.float32)
    natural, count = cells(rng, shape, rng.uniform(60, 250) / res, warp_px=rng.uniform(15, 60) / res)
    tone = rng.standard_normal(count).astype(np.float32)
    field_map, field_count, edge_px = strips(
        rng, shape, rng.uniform(60, 350) / res, rng.uniform(100, 600) / res, rng.uniform(0, math.pi)
    )
    farmed = _farmed(spec, rng, natural, count, mix["fields"])
    kind = np.where(farmed, np.uint8(FIELD), np.uint8(WILD))
    canopy = _canopy(spec, rng, mix["trees"], wetness + np.float32(0.5) * tone.take(natural))
    hedge = farmed & (edge_px * np.float32(res) < rng.uniform(0, 8)) & (rng.uniform() < 0.5)
    canopy[farmed & ~hedge & (canopy < 0.97)] = 0
    _paint_ground(spec, rng, kind, canopy, wetness)
    herbs = np.float32(mix["herbs"]) + np.float32(0.12) * (wetness + tone.take(natural) + fractal(rng, shape, 40 / res))
    soil_mix = smoothstep(np.float32(0.6) * tone.take(natural) + fractal(rng, shape, 300 / res), -1, 1)
    fine = np.float32(0.06 * min(1.0, (10 / res) ** 0.5))
    return Land(
        kind=kind, patch=np.where(kind == FIELD, field_map + count, natural).astype(np.int32),
        patches=count + field_count, first_field=count, canopy=canopy, trees=canopy >= 0.5,
        herbs=np.clip(herbs, 0.03, 1).astype(np.float32), soil_mix=soil_mix, wetness=wetness,
        texture=(1 + fine * fractal(rng, shape, 60 / res, persistence=0.9)).astype(np.float32),
        east_slope=east, south_slope=south, biome=name,
        conifers=mix["conifers"], shrubs=mix["shrubs"], dry_green=mix["dry_green"],
        leaf_fall=mix["leaf_fall"], bright_soil=mix["bright_soil"],
    )  # fmt: skip


def _farmed(spec: SeriesSpec, rng: np.random.Generator, natural: Ints, count: int, share: float) -> NDArray[np.bool_]:
    """Farmed land: whole natural patches, clustered."""
    leaning = fractal(rng, spec.shape, 900 / spec.res_m, finest_px=16)
    total = np.bincount(natural.ravel(), leaning.ravel(), count)
    area = np.bincount(natural.ravel(), minlength=count)
    mean = total / np.maximum(area, 1)
    order = np.argsort(-mean, kind="stable")
    chosen = np.zeros(count, bool)
    chosen[order[np.cumsum(area[order]) <= share * area.sum()]] = True
    return chosen.take(natural)


def _canopy(spec: SeriesSpec, rng: np.random.Generator, share: float, site: Floats) -> Floats:
    """Crown cover per pixel: stands whose edges follow the site, open woodland, and crowns where pixels are fine."""
    stands = fractal(rng, spec.shape, rng.uniform(150, 900) / spec.res_m, persistence=rng.uniform(0.45, 0.7))
    density = stands + np.float32(rng.uniform(0.1, 0.5)) * site
    threshold = np.quantile(density[::3, ::3], 1 - share) if share > 0 else np.inf
    crown_m = rng.uniform(8, 20)
    crowns = fractal(rng, spec.shape, crown_m / spec.res_m, finest_px=1, persistence=0.35)
    openness = rng.uniform(0.05, 0.45) * min(1.0, crown_m / (2 * spec.res_m))
    return smoothstep(density - np.float32(threshold) + np.float32(openness) * crowns, -0.12, 0.12)


def _paint_ground(
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
