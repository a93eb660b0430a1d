"""Clouds with their shadows, haze and smoke over one look."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo.simulator.noise import Floats, fractal, refine, smoothstep
from geo.simulator.spec import SeriesSpec
from geo.simulator.spectra import draw, scattering
from geo.simulator.surface import Sun

CLOUDY = 0.15
"""Opacity from which on a pixel counts as cloud."""
SHADED = 0.25
"""Share of the direct light lost from which on a pixel counts as shadow."""


@dataclass(frozen=True)
class Sky:
    """What lies between the ground and the satellite. Maps are (height, width), 0..1.

    Attributes:
        opacity: share of the signal that comes from cloud.
        shade: share of the light lost in cloud shadow.
        haze: relative thickness of haze and smoke; 0 = none.
    """

    opacity: Floats
    shade: Floats
    haze: Floats

    @property
    def cloudy(self) -> NDArray[np.bool_]:
        """Pixels under cloud."""
        return self.opacity > CLOUDY

    @property
    def shadowed(self) -> NDArray[np.bool_]:
        """Pixels in cloud shadow and not under cloud."""
        return (self.shade > SHADED) & ~self.cloudy


def cloud_shares(spec: SeriesSpec, rng: np.random.Generator) -> NDArray[np.float64]:
    """Share of cloud of every date: (dates,), of mean `cloud_fraction`, from clear to overcast."""
    mean = spec.cloud_fraction
    if spec.cloud_spread == 0 or mean in {0.0, 1.0}:
        return np.full(spec.dates, mean)
    weight = 0.6 / spec.cloud_spread**2
    # one draw per stratum, so that few dates have the asked mean too
    level = (rng.permutation(spec.dates) + rng.uniform(size=spec.dates)) / spec.dates
    samples = np.sort(rng.beta(mean * weight * 2, (1 - mean) * weight * 2, 4096))
    return np.quantile(samples, level)


def draw_sky(spec: SeriesSpec, share: float, sun: Sun, smoky: bool, rng: np.random.Generator) -> Sky:
    """Draw the sky of one look.

    Args:
        spec: what is asked.
        share: share of cloud, 0..1.
        sun: throws the shadows.
        smoky: a fire burns or has just burned.
        rng: source of chance.
    """
    shape = spec.shape
    haze = np.zeros(shape, np.float32)
    strength = rng.beta(1, 3) * spec.haze_reflectance
    if strength > 0:
        haze += np.float32(strength) * (1 + np.float32(0.4) * fractal(rng, shape, 2000 / spec.res_m, finest_px=8))
    if smoky and spec.smoke_reflectance > 0 and rng.uniform() < 0.7:
        plume = fractal(rng, shape, rng.uniform(300, 3000) / spec.res_m, persistence=0.55, finest_px=2)
        haze += np.float32(rng.beta(1, 2) * spec.smoke_reflectance) * smoothstep(plume, -rng.uniform(0.5, 3), 2)
    np.maximum(haze, 0, out=haze)
    if share <= 0.002:
        empty = np.zeros(shape, np.float32)
        return Sky(empty, empty.copy(), haze)
    opacity, shade = _clouds(spec, share, sun, rng)
    return Sky(opacity, shade, haze)


def _clouds(spec: SeriesSpec, share: float, sun: Sun, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Cloud and shadow are two windows of one field, the shadow's shifted away from the sun."""
    rows, cols = spec.shape
    reach = min(rng.uniform(400, 3000) / math.tan(math.radians(sun.elevation_deg)), 0.4 * max(spec.shape) * spec.res_m)
    azimuth = math.radians(sun.azimuth_deg)
    down = round(reach * math.cos(azimuth) / spec.res_m / 4)  # in quarter pixels of the field, away from the sun
    right = round(-reach * math.sin(azimuth) / spec.res_m / 4)
    coarse = (-(-rows // 4) + 4, -(-cols // 4) + 4)
    field = fractal(
        rng, (coarse[0] + abs(down), coarse[1] + abs(right)), rng.uniform(400, 4000) / spec.res_m / 4,
        persistence=rng.uniform(0.4, 0.6),
    )  # fmt: skip
    cloud = field[max(0, down) :, max(0, right) :][: coarse[0], : coarse[1]]
    shadow = field[max(0, -down) :, max(0, -right) :][: coarse[0], : coarse[1]]
    threshold = float(np.quantile(cloud, 1 - share))
    softness = rng.uniform(0.15, 0.6)
    ragged = np.float32(0.035) * fractal(rng, spec.shape, 4)
    # the threshold is where the opacity reaches CLOUDY, about a quarter of the way up
    low, high = threshold - 0.24 * softness, threshold + 0.76 * softness
    opacity = smoothstep(_finer(cloud, rows, cols) + ragged, low, high) * np.float32(rng.uniform(0.75, 1))
    shade = smoothstep(_finer(shadow, rows, cols), low, high) * np.float32(rng.uniform(0.45, 0.8))
    return opacity, shade


def _finer(field: Floats, rows: int, cols: int) -> Floats:
    for _ in range(2):
        field = refine(field, 2 * field.shape[0] - 2, 2 * field.shape[1] - 2)
    return field[:rows, :cols]


def through(spec: SeriesSpec, ground: Floats, sky: Sky, rng: np.random.Generator) -> Floats:
    """Reflectance as seen through the sky: (bands, height, width), changed in place and returned."""
    cloud = draw(rng, "cloud", spec)
    path = scattering(spec.roles, rng.uniform(1.0, 2.2))
    rayleigh = scattering(spec.roles, 3.2) * np.float32(spec.haze_bias_reflectance)
    any_shade, any_cloud = bool(sky.shade.any()), bool(sky.opacity.any())
    skylight = scattering(spec.roles, 1.5) ** np.float32(0.3)  # shadows are lit by the sky: darker in NIR
    clearness = 1 - sky.opacity
    billow = 1 + np.float32(0.12) * fractal(rng, spec.shape, 300 / spec.res_m, finest_px=4) if any_cloud else None
    for band in range(len(ground)):
        if any_shade:
            ground[band] *= 1 - sky.shade * (np.float32(1.12) - np.float32(0.12) * skylight[band])
        layer = sky.haze * path[band] + rayleigh[band]
        ground[band] *= 1 - np.float32(1.3) * layer
        ground[band] += layer
        if billow is not None:
            ground[band] *= clearness
            ground[band] += sky.opacity * billow * cloud[band]
    return ground
