"""Training chips: simulated series, one landscape per seed, and the seeds' ranges that keep scores honest."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from geo.simulator.series import simulate, truth
from geo.simulator.spec import Sensor, SeriesSpec, Theme
from models.training.config import RES_M, DataConfig
from models.training.data_config import DatesConfig

TRAIN_SEEDS = range(10_000)
VALIDATION_SEEDS = range(10_000, 11_000)
TEST_SEEDS = range(11_000, 12_000)
"""Seeds from 20,000 are the demo's: never trained on, never looked at."""

HELD_OUT_SEEDS = {"validation": VALIDATION_SEEDS, "test": TEST_SEEDS}

PAIR_GAP_DAYS = ((10, 60), (30, 150), (300, 420))
"""Two looks around a fire: weeks to months apart, or a year, so that the season is not the signal."""

BLURRED_PX = (0.8, 2.5)
"""Point spread of images that were resampled from pixels two to six times as wide, as standard deviation."""

GROUND_FIRE_SCORCH = (-0.3, 0.1)
"""What fires under a closed canopy leave to see (1-7: NDVI 0.81 -> 0.73): little, from the edges of which to guess."""

MOST_GAP_DAYS, MOST_SERIES_DAYS = 2200, 40 * 365
"""Between looks of a series that follows trees over years: composites every few years, over forty at most."""


@dataclass(frozen=True)
class Chip:
    """A small series with its truth.

    Attributes:
        reflectance: (T, C, H, W) float32.
        clear: (T, H, W) bool, as an imperfect UDM2 says.
        days: (T,) float32, days since 1970-01-01.
        target: (T, H, W) int64 class ids, true on the ground, seen or not; 255 where the truth is not known.
    """

    reflectance: NDArray[np.float32]
    clear: NDArray[np.bool_]
    days: NDArray[np.float32]
    target: NDArray[np.int64]


def draw_chip(theme: Theme, data: DataConfig | DatesConfig, dates: int, seed: int, rng: np.random.Generator) -> Chip:
    """Simulate the landscape `seed` as a chip.

    Args:
        theme: what it is about.
        data: sizes and ranges.
        dates: length of the series.
        seed: of the landscape and its history, one of the ranges above.
        rng: draws the spec (resolution, season, clouds, radiometry).
    """
    series = simulate(draw_spec(theme, data, dates, rng), seed)
    if isinstance(data, DataConfig) and dates > 1 and data.late_start > 0 and rng.uniform() < data.late_start:
        series.clear[: rng.integers(1, dates)] = False
    return Chip(
        reflectance=series.reflectance,
        clear=series.clear,
        days=series.days.astype(np.float32),
        target=truth(series).astype(np.int64),
    )


def draw_spec(theme: Theme, data: DataConfig | DatesConfig, dates: int, rng: np.random.Generator) -> SeriesSpec:
    """Draw what a training series is like: any resolution, season, latitude and weather that the card promises.

    Fires take days to weeks, and no series is Landsat's: fast grass fires and that sensor are kept for tests.
    """
    short, long = ((1, 12), (5, 20), (5, 20))[rng.integers(3)] if dates > 5 else (8, 45)
    gap = (
        PAIR_GAP_DAYS[rng.choice(3, p=(0.4, 0.45, 0.15))]
        if dates <= 3
        else (short, int(rng.integers(short + 1, long + 1)))
    )
    res_m = float(rng.choice(data.res_m if isinstance(data, DataConfig) else RES_M))
    spec = SeriesSpec(
        theme=theme,
        height=data.chip_px,
        width=data.chip_px,
        res_m=res_m,
        dates=dates,
        start=date(2017, 1, 1) + timedelta(days=int(rng.integers(0, 3000))),
        gap_days=gap,
        latitude_deg=float(rng.uniform(-50, 60)),
        fire_regime="slow",
        cloud_fraction=0.0 if rng.uniform() < 0.2 else float(rng.uniform(0, data.max_cloud)),
        udm2_error=float(rng.uniform(0, 1)),
        jitter_px=float(rng.uniform(0, 0.5)),
        season_strength=float(rng.uniform(0, 1.3)),
    )
    if rng.uniform() < data.widen:
        spec = _widened(spec, rng)
    return _harder(spec, data, rng) if isinstance(data, DataConfig) else spec


def _widened(spec: SeriesSpec, rng: np.random.Generator) -> SeriesSpec:
    """Leave the defaults for what other places and sensors show: spectra, bands, haze, faint scars, quick seasons."""
    sensors: tuple[Sensor, ...] = ("superdove", "dove") if spec.res_m < 10 else ("superdove", "sentinel-2")
    return dataclasses.replace(
        spec,
        sensor=sensors[rng.integers(len(sensors))],
        spectral_spread=float(rng.uniform(0, 0.25)),
        flash_drying=float(rng.uniform(0, 0.6)),
        season_strength=float(rng.uniform(0, 1.8)),
        char_share=(float(rng.uniform(0.4, 0.7)), 1.2),
        combustion=(float(rng.uniform(0.35, 0.6)), 1.05),
        fire_share=(0.01, float(rng.uniform(0.1, 0.6))),
        fire_chance=0.8 if spec.theme == "burned-area" else None,
        haze_reflectance=float(rng.uniform(0.03, 0.12)),
        haze_bias_reflectance=float(rng.uniform(0, 0.08)) if rng.uniform() < 0.4 else 0.0,
        smoke_reflectance=float(rng.uniform(0.08, 0.25)),
        gain_spread=0.08,
        offset_spread_reflectance=0.01,
        date_gain_spread=0.08,
        jitter_px=float(rng.uniform(0, 1)),
    )


def _harder(spec: SeriesSpec, data: DataConfig, rng: np.random.Generator) -> SeriesSpec:
    """Draw what a share of the series has; where a share is 0 nothing is drawn, and the series are those of before."""
    spec = dataclasses.replace(spec, earlier_fire_chance=data.earlier_fires)
    if data.years_apart > 0 and rng.uniform() < data.years_apart:
        spec = _years_apart(spec, rng)
    if data.blurred > 0 and rng.uniform() < data.blurred:
        spec = dataclasses.replace(spec, psf_px=float(rng.uniform(*BLURRED_PX)))
    if data.ground_fires > 0 and rng.uniform() < data.ground_fires:
        spec = dataclasses.replace(spec, crown_scorch=GROUND_FIRE_SCORCH)
    return spec


def _years_apart(spec: SeriesSpec, rng: np.random.Generator) -> SeriesSpec:
    """Spread the looks over years, as archives do, and let trees grow in between."""
    most = min(MOST_GAP_DAYS, MOST_SERIES_DAYS // spec.dates)
    return dataclasses.replace(
        spec,
        gap_days=(most // 8, most),
        tree_growth=float(rng.uniform(0.2, 0.9)),
    )
