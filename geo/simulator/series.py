"""A simulated series with its truth. The same spec and seed give the same arrays, whatever the number of threads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from geo.simulator.atmosphere import cloud_shares, draw_sky, through
from geo.simulator.clearing import clear_trees
from geo.simulator.fire import burn, burn_before
from geo.simulator.growth import grow_trees
from geo.simulator.landscape import make_land
from geo.simulator.noise import Floats, Ints
from geo.simulator.seasons import Calendar
from geo.simulator.sensor import record
from geo.simulator.spec import SeriesSpec
from geo.simulator.surface import Ground, History, Sun, sun_at, trees_standing
from geo.simulator.udm2 import UsableData, usable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SMOKE_DAYS = 6


@dataclass(frozen=True)
class Series:
    """A series and what is true about it. T dates, C bands, H x W pixels.

    Attributes:
        spec, seed: what it was made from.
        reflectance: (T, C, H, W) float32, 0..1.5; no data nowhere.
        clear: (T, H, W) bool, what an imperfect UDM2 calls clear.
        truly_clear: (T, H, W) bool, neither cloud nor cloud shadow.
        days: (T,) days since 1970-01-01.
        times: (T,) times of acquisition, aware, UTC.
        satellites: (T,) 4-hex identifiers.
        suns: (T,) positions of the sun.
        masks: (T,) all classes of the imperfect UDM2.
        burned: (T, H, W) bool, burned since the start of the series.
        trees: (T, H, W) bool, under trees; both states hold on the ground, seen or not.
        burn_day: (H, W) int32 days since 1970-01-01, 0 where never burned.
        loss_day: (H, W) int32 days since 1970-01-01 at which the trees of the start went, 0 where they stayed or never
            were.
        biome: name of the mix of covers that was drawn.
    """

    spec: SeriesSpec
    seed: int
    reflectance: Floats
    clear: NDArray[np.bool_]
    truly_clear: NDArray[np.bool_]
    days: Ints
    times: tuple[datetime, ...]
    satellites: tuple[str, ...]
    suns: tuple[Sun, ...]
    masks: tuple[UsableData, ...]
    burned: NDArray[np.bool_]
    trees: NDArray[np.bool_]
    burn_day: Ints
    loss_day: Ints
    biome: str


def simulate(spec: SeriesSpec, seed: int) -> Series:
    """Simulate a series.

    Args:
        spec: what it should be like.
        seed: 0 or more; every seed is another landscape with another history.
    """
    plan = _rng(seed, 0)
    days = _days(spec, plan)
    times = tuple(EPOCH + timedelta(days=int(day), hours=14, minutes=float(plan.uniform(-40, 40))) for day in days)
    satellites = tuple(spec.satellites[number] for number in plan.integers(len(spec.satellites), size=spec.dates))
    shares = cloud_shares(spec, plan)
    land = make_land(spec, _rng(seed, 1))
    fire = burn(spec, land, days, _rng(seed, 2))
    clearing = clear_trees(spec, land, days, _rng(seed, 3))
    earlier = burn_before(spec, land, int(days[0]), _rng(seed, 8)) if spec.earlier_fire_chance > 0 else None
    fire = fire if earlier is None else fire.halted_by(earlier)
    history = History(land, fire, clearing, Calendar(spec, land, _rng(seed, 4)), earlier)
    burn_day, loss_day = fire.burn_day, history.loss_day()
    growth = grow_trees(spec, land, history.bared_day(), days, _rng(seed, 7)) if spec.tree_growth > 0 else None
    ground = Ground(spec, history, growth, _rng(seed, 5))
    reflectance = np.empty((spec.dates, spec.bands, *spec.shape), np.float32)
    truly_clear = np.empty((spec.dates, *spec.shape), bool)
    suns, masks = [], []
    for date, day in enumerate(days):
        rng = _rng(seed, 6, date)
        sun = sun_at(int(day), spec.latitude_deg)
        smoky = fire.active[0] <= day <= fire.active[1] + _SMOKE_DAYS
        sky = draw_sky(spec, float(shares[date]), sun, smoky, rng)
        seen = through(spec, ground.reflectance(int(day), sun), sky, rng)
        reflectance[date] = record(spec, seen, satellites[date], rng)
        truly_clear[date] = ~(sky.cloudy | sky.shadowed)
        masks.append(usable(spec, sky, reflectance[date], rng))
        suns.append(sun)
    return Series(
        spec=spec, seed=seed, reflectance=reflectance, clear=np.stack([mask.clear for mask in masks]),
        truly_clear=truly_clear, days=days, times=times, satellites=satellites, suns=tuple(suns), masks=tuple(masks),
        burned=np.stack([(burn_day > 0) & (burn_day <= day) for day in days]),
        trees=np.stack([trees_standing(land, loss_day, growth, int(day)) for day in days]),
        burn_day=burn_day, loss_day=loss_day, biome=land.biome,
    )  # fmt: skip


def truth(series: Series) -> NDArray[np.uint8]:
    """Class ids that the theme's network should give: (T, H, W) uint8, 1 = burned, or 1 = trees."""
    return (series.burned if series.spec.theme == "burned-area" else series.trees).astype(np.uint8)


def _days(spec: SeriesSpec, rng: np.random.Generator) -> Ints:
    first = (datetime(spec.start.year, spec.start.month, spec.start.day, tzinfo=UTC) - EPOCH).days
    gaps = rng.integers(spec.gap_days[0], spec.gap_days[1] + 1, size=spec.dates - 1)
    return (first + np.concatenate([[0], np.cumsum(gaps)])).astype(np.int32)


def _rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)
