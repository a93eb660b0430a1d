"""Specs drawn wide, so that a network trained on the simulator meets more than one kind of world."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np

from geo.simulator.spec import SATELLITES, SeriesSpec, Theme

UNSEEN_SATELLITES = ("24c1", "24a6", "2498", "2455")
"""Kept out of training, for tests on a satellite that was never seen."""

_RESOLUTIONS_M = (3.0, 3.0, 3.0, 5.0, 10.0, 20.0, 20.0, 30.0)
_GAPS_DAYS = ((1, 4), (3, 12), (5, 20), (10, 40), (25, 90))


def draw_spec(theme: Theme, seed: int, **fixed: Any) -> SeriesSpec:
    """Draw a spec: pixel sizes, seasons, latitudes, rhythms of looks, skies, sensors, reliefs, strengths of marks.

    Args:
        theme: which change is the main one.
        seed: 0 or more.
        fixed: fields of `SeriesSpec` that are not drawn.
    """
    rng = np.random.default_rng((seed, 77))
    dates = int(rng.choice([2, 3, 4, 6, 8, 12]))
    spec = SeriesSpec(
        theme,
        res_m=float(rng.choice(_RESOLUTIONS_M)),
        dates=dates,
        start=date(2016, 1, 1) + timedelta(days=int(rng.integers(0, 3200))),
        gap_days=_GAPS_DAYS[rng.integers(1 if dates <= 3 else 0, len(_GAPS_DAYS))],
        latitude_deg=float(rng.uniform(-45, 55)),
        char_fade_days=(20.0, 300.0),
        cloud_fraction=float(rng.choice([0.0, 0.1, 0.3, 0.5, 0.65], p=[0.2, 0.2, 0.3, 0.2, 0.1])),
        haze_reflectance=float(rng.uniform(0.005, 0.06)),
        haze_bias_reflectance=float(rng.uniform(0.04, 0.1)) if rng.uniform() < 0.2 else 0.0,
        smoke_reflectance=float(rng.uniform(0.02, 0.16)),
        gain_spread=float(rng.uniform(0.01, 0.05)),
        offset_spread_reflectance=float(rng.uniform(0.001, 0.008)),
        date_gain_spread=float(rng.uniform(0.01, 0.08)),
        noise_reflectance=float(rng.uniform(0.001, 0.006)),
        jitter_px=float(rng.uniform(0, 0.7)),
        psf_px=float(rng.uniform(0.3, 0.8)),
        terrain_relief_m=float(rng.choice([5.0, 40.0, 120.0, 300.0])),
        satellites=SATELLITES,
    )
    return replace(spec, **fixed)
