"""The land before anything happens: terrain, covers, patches, trees, soils."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo.simulator.ground import FIELD, WILD, paint_ground
from geo.simulator.noise import Floats, Ints, cells, fractal, smoothstep, strips
from geo.simulator.spec import BIOMES, SeriesSpec

TREES = 0.5
"""Share of a pixel under crowns from which on trees stand there."""


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
    mix = {key: float(rng.uniform(*edges)) for key, edges in vars(BIOME_RANGES[name]).items()}
    shape, res = spec.shape, spec.res_m
    south, east, wetness = _terrain(spec, rng)
    natural, count = cells(rng, shape, rng.uniform(60, 250) / res, warp_px=rng.uniform(15, 60) / res)
    tone = rng.standard_normal(count).astype(np.float32).take(natural)
    field_map, field_count, edge_px = strips(
        rng, shape, rng.uniform(60, 350) / res, rng.uniform(100, 600) / res, rng.uniform(0, math.pi)
    )
    farmed = _farmed(spec, rng, natural, count, mix["fields"])
    kind = np.where(farmed, np.uint8(FIELD), np.uint8(WILD))
    canopy = _canopy(spec, rng, mix["trees"], wetness + np.float32(0.5) * tone)
    hedge = farmed & (edge_px * np.float32(res) < rng.uniform(0, 8)) & (rng.uniform() < 0.5)
    canopy[farmed & ~hedge & (canopy < 0.97)] = 0
    paint_ground(spec, rng, kind, canopy, wetness)
    herbs = np.float32(mix["herbs"]) + np.float32(0.12) * (wetness + tone + fractal(rng, shape, 40 / res))
    if rng.uniform() < 0.25:
        _age_scar(spec, rng, herbs, canopy)
    fine = np.float32(0.06 * min(1.0, (10 / res) ** 0.5))
    return Land(
        kind=kind, patch=np.where(kind == FIELD, field_map + count, natural).astype(np.int32),
        patches=count + field_count, first_field=count, canopy=canopy, trees=canopy >= TREES,
        herbs=np.clip(herbs, 0.03, 1).astype(np.float32),
        soil_mix=smoothstep(np.float32(0.6) * tone + fractal(rng, shape, 300 / res), -1, 1), wetness=wetness,
        texture=(1 + fine * fractal(rng, shape, 60 / res, persistence=0.9)).astype(np.float32),
        east_slope=east, south_slope=south, biome=name,
        conifers=mix["conifers"], shrubs=mix["shrubs"], dry_green=mix["dry_green"],
        leaf_fall=mix["leaf_fall"], bright_soil=mix["bright_soil"],
    )  # fmt: skip


def _terrain(spec: SeriesSpec, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Slopes towards the south and the east, and the wetness of the ground: low land is wetter."""
    res, relief = spec.res_m, spec.terrain_relief_m * rng.uniform() ** 2
    height = fractal(rng, spec.shape, 1500 / res, persistence=0.45, finest_px=4) * np.float32(relief)
    south, east = (gradient.astype(np.float32) for gradient in np.gradient(height, np.float32(res)))
    valley = smoothstep(fractal(rng, spec.shape, 600 / res, persistence=0.5, finest_px=2), -2, 2) * 4 - 2
    wetness = np.float32(0.7) * valley - np.float32(0.4 / max(relief, 1)) * height
    return south, east, wetness.astype(np.float32)


def _age_scar(spec: SeriesSpec, rng: np.random.Generator, herbs: Floats, canopy: Floats) -> None:
    """A fire of a year or more ago: sparser cover, which is not labelled as burned."""
    scar = fractal(rng, spec.shape, 600 / spec.res_m, persistence=0.5) > rng.uniform(0.5, 1.5)
    herbs[scar] *= np.float32(rng.uniform(0.6, 0.95))
    canopy[scar] *= np.float32(rng.uniform(0.85, 1))


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
