"""An imperfect usable-data mask, with the mistakes that Planet's UDM2 makes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter

from geo.simulator.atmosphere import Sky
from geo.simulator.noise import Floats, fractal
from geo.simulator.spec import SeriesSpec

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class UsableData:
    """Classes of a UDM2; each pixel is in exactly one. All (height, width) bool.

    Attributes:
        clear, shadow, light_haze, heavy_haze, cloud: what the mask says, right or wrong.
    """

    clear: Bools
    shadow: Bools
    light_haze: Bools
    heavy_haze: Bools
    cloud: Bools


def usable(spec: SeriesSpec, sky: Sky, seen: Floats, rng: np.random.Generator) -> UsableData:
    """What the mask says of one look.

    Thin cloud and parts of the shadows are missed, edges are too wide or too narrow, bright ground passes for
    cloud and dark ground for shadow now and then.

    Args:
        spec: what is asked.
        sky: the truth.
        seen: (bands, height, width) reflectance as recorded.
        rng: source of chance.
    """
    if spec.udm2_error == 0:
        cloud, shadow = sky.cloudy, sky.shadowed
    else:
        cloud, shadow = _mistaken(spec, sky, seen, rng)
    light = (sky.haze > 0.035) & ~cloud & ~shadow
    heavy = (sky.haze > 0.08) & light
    if spec.udm2_error > 0 and rng.uniform() < 0.6:
        light = heavy
    if spec.udm2_error == 0 or rng.uniform() < 0.6:  # haze that passes as clear, as often in real masks
        light, heavy = np.zeros_like(light), np.zeros_like(heavy)
    light = light & ~heavy
    return UsableData(~(cloud | shadow | light | heavy), shadow, light, heavy, cloud)


def _mistaken(spec: SeriesSpec, sky: Sky, seen: Floats, rng: np.random.Generator) -> tuple[Bools, Bools]:
    error = spec.udm2_error
    bright, dark = seen[spec.roles.index("blue")], seen[spec.roles.index("nir")]
    cloud = np.zeros(spec.shape, bool)
    shadow = np.zeros(spec.shape, bool)
    if sky.opacity.any():
        cloud = sky.opacity > 0.15 + error * rng.uniform(0, 0.3)
        cloud = _grown(cloud, round(error * rng.uniform(-2, 6)))
        missed = fractal(rng, spec.shape, 150 / spec.res_m, finest_px=4)
        shadow = (sky.shade > 0.25 + error * rng.uniform(0, 0.25)) & (missed < 1.2 / max(error, 0.1))
        shadow = _grown(shadow, round(error * rng.uniform(-2, 4)))
    if rng.uniform() < 0.3 * error:
        cloud |= bright > rng.uniform(0.16, 0.3)
    if rng.uniform() < 0.3 * error:
        shadow |= dark < rng.uniform(0.03, 0.09)
    return cloud, shadow & ~cloud


def _grown(mask: Bools, by_px: int) -> Bools:
    """Grow a mask by some pixels, or shrink it where negative."""
    if by_px == 0:
        return mask
    size = 2 * abs(by_px) + 1
    return np.asarray(maximum_filter(mask, size) if by_px > 0 else minimum_filter(mask, size), bool)
