"""Clearing of trees: blocks, advancing frontiers along strips, and selective cutting."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from geo.simulator.landscape import Land
from geo.simulator.noise import Floats, Ints, fractal, strips
from geo.simulator.spec import SeriesSpec


@dataclass(frozen=True)
class Clearing:
    """Where trees were cut. Maps are (height, width).

    Attributes:
        day: days since 1970-01-01 of the cut, 0 where none; bushes between the trees go with them.
        slash: 0..1, share of dry branches on the ground afterwards.
    """

    day: Ints
    slash: Floats


def clear_trees(spec: SeriesSpec, land: Land, days: Ints, rng: np.random.Generator) -> Clearing:
    """Cut some of the trees between the first look and the last."""
    default = 0.92 if spec.theme == "tree-cover" else 0.35
    chance = spec.clearing_chance if spec.clearing_chance is not None else default
    day = np.zeros(spec.shape, np.int32)
    slash = np.clip(
        np.float32(rng.uniform(0.1, 0.7)) + np.float32(0.2) * fractal(rng, spec.shape, 20 / spec.res_m), 0, 1
    ).astype(np.float32)
    if rng.uniform() >= chance or len(days) < 2 or not land.trees.any():
        return Clearing(day, slash)
    share = rng.uniform(*spec.clearing_share)
    plots, count, _ = strips(
        rng, spec.shape, rng.uniform(40, 250) / spec.res_m, rng.uniform(60, 400) / spec.res_m, rng.uniform(0, math.pi)
    )
    when = _plot_days(plots, count, land, days, share=share, rng=rng)
    day = np.where(land.canopy > 0.05, when.take(plots), 0).astype(np.int32)
    if rng.uniform() < 0.6:
        day[fractal(rng, spec.shape, 30 / spec.res_m) > np.float32(1.9)] = 0
    if rng.uniform() < 0.3:
        _thin(spec, land, days, day, rng)
    return Clearing(day, slash)


def _plot_days(plots: Ints, count: int, land: Land, days: Ints, *, share: float, rng: np.random.Generator) -> Ints:
    """Day of cutting per plot; plots near a frontier go first, until `share` of the trees is gone."""
    trees = np.bincount(plots.ravel(), land.trees.ravel(), count)
    rows, cols = plots.shape
    angle = rng.uniform(0, 2 * math.pi)
    toward = np.sin(angle) * np.arange(rows)[:, None] / rows + np.cos(angle) * np.arange(cols)[None, :] / cols
    area = np.maximum(np.bincount(plots.ravel(), minlength=count), 1)
    order_key = np.bincount(plots.ravel(), toward.ravel(), count) / area
    order_key = order_key * rng.uniform(0, 2) + rng.uniform(0, 0.7, count)
    order = np.argsort(order_key, kind="stable")
    taken = np.cumsum(trees[order])
    chosen = order[(taken - trees[order] < share * taken[-1]) & (trees[order] > 0)]
    when = np.zeros(count, np.int32)
    span = int(days[-1] - days[0])
    steps = np.sort(rng.integers(1, span + 1, len(chosen)))
    batches = int(rng.integers(1, 6))
    steps = steps[(np.arange(len(chosen)) * batches // max(len(chosen), 1)) * max(len(chosen), 1) // batches]
    when[chosen] = int(days[0]) + steps
    return when


def _thin(spec: SeriesSpec, land: Land, days: Ints, day: Ints, rng: np.random.Generator) -> None:
    """Selective cutting: gaps the size of a few crowns within one part of the forest."""
    zone = fractal(rng, spec.shape, 400 / spec.res_m, finest_px=4) > np.float32(0.8)
    gaps = fractal(rng, spec.shape, max(16 / spec.res_m, 2.0)) > np.float32(rng.uniform(1.0, 1.8))
    cut = zone & gaps & land.trees & (day == 0)
    day[cut] = int(days[0]) + int(rng.integers(1, int(days[-1] - days[0]) + 1))
