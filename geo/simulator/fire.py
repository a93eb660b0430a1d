"""Fires: where they go and when they arrive, how hard they burn, and the islands they leave."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from geo.simulator.ground import BARE, FIELD
from geo.simulator.landscape import Land
from geo.simulator.noise import Floats, Ints, fractal, refine, smoothstep
from geo.simulator.spec import FIRE_REGIMES, SeriesSpec

_STEPS = tuple((row, col) for row in (-2, -1, 0, 1, 2) for col in (-2, -1, 0, 1, 2) if math.gcd(row, col) == 1)
_COARSE_CELLS = 72
_EARLIER_DAYS = 240


@dataclass(frozen=True)
class Fire:
    """What burned. Maps are (height, width).

    Attributes:
        burn_day: days since 1970-01-01 at which the fire arrived, 0 where it never did.
        severity: 0..1, how much of the crowns it took.
        combustion: 0..1, how much of the ground layer it took.
        ash: 0..1, share of white ash in what is left.
        active: (first, last) day on which it burned; (0, 0) without fire.
    """

    burn_day: Ints
    severity: Floats
    combustion: Floats
    ash: Floats
    active: tuple[int, int]

    def halted_by(self, earlier: Fire) -> Fire:
        """Return this fire without the ground that an earlier one burned: there is no fuel left."""
        return replace(self, burn_day=np.where(earlier.burn_day > 0, 0, self.burn_day).astype(np.int32))


def burn(spec: SeriesSpec, land: Land, days: Ints, rng: np.random.Generator) -> Fire:
    """Let fires run over the land between the first look and the last.

    Args:
        spec: what is asked.
        land: the land before.
        days: (dates,) days of the looks; nothing burns on or before the first.
        rng: source of chance.
    """
    default = 0.92 if spec.theme == "burned-area" else 0.3
    chance = spec.fire_chance if spec.fire_chance is not None else default
    fuel = _fuel(spec, land, rng)
    if rng.uniform() >= chance or len(days) < 2 or not (fuel > 0).any():
        empty = np.zeros(spec.shape, np.float32)
        return Fire(np.zeros(spec.shape, np.int32), empty, empty, empty, (0, 0))
    arrival = _arrival(spec, land, fuel, rng)
    reach = rng.uniform(*spec.fire_share)
    can_burn = fuel > 0
    limit = np.quantile(arrival[can_burn], min(1.0, reach * can_burn.size / can_burn.sum()))
    islands = fractal(rng, spec.shape, rng.uniform(30, 300) / spec.res_m) > np.float32(rng.uniform(1.2, 3))
    burned = can_burn & (arrival <= limit) & ~islands
    first, span = _when(spec, days, rng)
    progress = np.clip(arrival / max(float(limit), 1e-6), 0, 1)
    burn_day = np.where(burned, first + np.floor(_pulses(rng, span)(progress)), 0).astype(np.int32)
    noise = fractal(rng, spec.shape, 150 / spec.res_m)
    severity = smoothstep(np.float32(rng.normal(0.1, 0.6)) + np.float32(0.8) * noise, -1.5, 1.5)
    completeness = rng.uniform(*spec.combustion)
    patchy = fractal(rng, spec.shape, 25 / spec.res_m, persistence=0.8)
    combustion = np.clip(np.float32(completeness) + np.float32(0.17) * (noise + patchy), 0.25, 1).astype(np.float32)
    ash = np.float32(rng.uniform(0, 0.5)) * smoothstep(patchy + severity, 0.5, 2.5)
    return Fire(burn_day, severity, combustion, ash, (first, first + span))


def burn_before(spec: SeriesSpec, land: Land, first_look: int, rng: np.random.Generator) -> Fire:
    """Let fires run over the land in the months before the first look, with `earlier_fire_chance`."""
    window = np.array([first_look - _EARLIER_DAYS, first_look], np.int32)
    return burn(replace(spec, fire_chance=spec.earlier_fire_chance), land, window, rng)


def _fuel(spec: SeriesSpec, land: Land, rng: np.random.Generator) -> Floats:
    """Relative rate of spread on flat ground without wind; 0 where nothing burns."""
    grass = np.clip(land.herbs * np.float32(1.4) - np.float32(0.1), 0.05, 1)
    fuel = np.where(land.trees, np.float32(rng.uniform(0.15, 0.7)), grass)
    fuel *= np.exp(np.float32(-0.25) * land.wetness + np.float32(0.25) * fractal(rng, spec.shape, 80 / spec.res_m))
    fuel[land.kind == FIELD] *= np.float32(rng.choice([0.0, 0.1, 0.5], p=[0.6, 0.2, 0.2]))
    fuel[land.kind >= BARE] = 0
    if land.biome == "rainforest" and rng.uniform() < 0.5:
        fuel[land.trees] *= np.float32(0.1)
    return np.where(fuel > 0.004, fuel, np.float32(0)).astype(np.float32)


def _arrival(spec: SeriesSpec, land: Land, fuel: Floats, rng: np.random.Generator) -> Floats:
    """Time of arrival in arbitrary units: shortest path on a coarse grid, refined, frayed by noise."""
    doublings = max(0, math.ceil(math.log2(max(spec.shape) / _COARSE_CELLS)))
    sizes = [spec.shape]
    for _ in range(doublings):
        sizes.append((-(-sizes[-1][0] // 2) + 1, -(-sizes[-1][1] // 2) + 1))
    step = 2**doublings
    coarse = _pooled(fuel, step, sizes[-1])
    slopes = (_pooled(land.south_slope, step, sizes[-1]), _pooled(land.east_slope, step, sizes[-1]))
    time = _shortest(coarse, slopes, rng)
    for rows, cols in reversed(sizes[:-1]):
        time = refine(time, rows, cols)
    frayed = fractal(rng, spec.shape, 12 * step, persistence=0.75)
    arrival: Floats = time * np.exp(np.float32(0.12) * frayed) + np.float32(step * 0.8) * np.abs(frayed)
    return arrival


def _pooled(values: Floats, step: int, shape: tuple[int, int]) -> Floats:
    """Means over step x step pixels, the edge repeated to fill `shape`."""
    rows, cols = -(-values.shape[0] // step), -(-values.shape[1] // step)
    pad = ((0, rows * step - values.shape[0]), (0, cols * step - values.shape[1]))
    filled = np.pad(values, pad, mode="edge") if any(after for _, after in pad) else values
    small = filled.reshape(rows, step, cols, step).mean((1, 3))
    return np.pad(small, ((0, shape[0] - rows), (0, shape[1] - cols)), mode="edge").astype(np.float32)


def _shortest(rate: Floats, slopes: tuple[Floats, Floats], rng: np.random.Generator) -> Floats:
    """Least travel time from the ignitions; wind makes ellipses, slope speeds up (Rothermel's exponential form)."""
    rows, cols = rate.shape
    number = np.arange(rows * cols).reshape(rows, cols)
    wind, stretch = rng.uniform(0, 2 * math.pi), rng.uniform(0.2, 0.9)
    tails, heads, costs = [], [], []
    for down, right in _STEPS:
        here = (slice(max(0, -down), rows - max(0, down)), slice(max(0, -right), cols - max(0, right)))
        there = (slice(max(0, down), rows - max(0, -down)), slice(max(0, right), cols - max(0, -right)))
        length = math.hypot(down, right)
        heading = (down * math.sin(wind) + right * math.cos(wind)) / length
        rise = (slopes[0][here] * np.float32(down) + slopes[1][here] * np.float32(right)) / np.float32(length)
        speed = np.sqrt(rate[here] * rate[there]) * np.exp(np.clip(3.5 * rise, -1.5, 1.5))
        cost = length / np.maximum(speed, 0.003) * (1 - stretch * heading) / (1 - stretch)
        tails.append(number[here].ravel())
        heads.append(number[there].ravel())
        costs.append(cost.ravel())
    graph = coo_array((np.concatenate(costs), (np.concatenate(tails), np.concatenate(heads)))).tocsr()
    flammable = np.flatnonzero(rate.ravel() > 0.02)
    starts = rng.choice(flammable if len(flammable) else number.ravel(), size=rng.integers(1, 4))
    best = np.full(rows * cols, np.inf)
    late = 0.0
    for start in starts:
        best = np.minimum(best, late + dijkstra(graph, indices=[int(start)])[0])
        late = float(rng.uniform(0, 0.5) * np.median(best))
    return best.reshape(rows, cols).astype(np.float32)


def _when(spec: SeriesSpec, days: Ints, rng: np.random.Generator) -> tuple[int, int]:
    """First day of burning and how many days it lasts."""
    regime = spec.fire_regime if spec.fire_regime != "any" else FIRE_REGIMES[rng.integers(2)]
    whole = int(days[-1] - days[0])
    span = int(rng.integers(1, 4)) if regime == "fast-grass" else int(rng.integers(4, 60))
    span = max(1, min(span, whole))
    first = int(days[0]) + 1 + int(rng.integers(0, max(1, int(0.75 * (whole - span)) + 1)))
    return first, min(span, int(days[-1]) - first + 1)


class _Pulses:
    """Monotone map from progress 0..1 to days 0..span: runs on some days, rests on others."""

    def __init__(self, gains: NDArray[np.float64]) -> None:
        self._reached = np.concatenate([[0.0], np.cumsum(gains) / gains.sum()])

    def __call__(self, progress: Floats) -> NDArray[np.int64]:
        return np.clip(np.searchsorted(self._reached, progress, side="right") - 1, 0, len(self._reached) - 2)


def _pulses(rng: np.random.Generator, span: int) -> _Pulses:
    return _Pulses(rng.exponential(1.0, span) ** 2 + 1e-3)
