"""Reflectance of covers in PlanetScope's eight bands, drawn from ranges. Sources: docs/simulator.md."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from geo.bands import PLANETSCOPE_8
from geo.simulator.noise import Floats
from geo.simulator.spec import SeriesSpec

WAVELENGTH_UM = {
    "coastal": 0.443, "blue": 0.490, "green05": 0.531, "green": 0.565,
    "yellow": 0.610, "red": 0.665, "rededge": 0.705, "nir": 0.865,
}  # fmt: skip

CENTRES_UM = {
    "dove": (0.485, 0.545, 0.630, 0.820),
    "sentinel-2": (0.4924, 0.5598, 0.6646, 0.8328),
    "landsat": (0.482, 0.5614, 0.6546, 0.8647),
}
"""Centres of blue, green, red and NIR of sensors other than the SuperDove."""

PLATEAU_UM = 0.78
"""From here to the NIR band, reflectance stays the same: leaves have their plateau there, soils rise but little."""

# lowest and highest reflectance x 1000 in the order of PLANETSCOPE_8
RANGES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "broadleaf": ((8, 10, 22, 30, 22, 13, 60, 240), (30, 34, 55, 70, 52, 42, 140, 460)),
    "conifer": ((8, 10, 18, 24, 20, 14, 40, 150), (28, 32, 44, 52, 45, 42, 90, 280)),
    "dry_leaf": ((30, 35, 50, 58, 72, 80, 105, 150), (60, 70, 95, 110, 132, 150, 190, 265)),
    "grass_green": ((18, 22, 45, 55, 40, 28, 90, 260), (48, 58, 95, 115, 95, 78, 170, 480)),
    "shrub_green": ((20, 25, 40, 48, 45, 36, 70, 180), (50, 60, 80, 92, 90, 85, 130, 300)),
    "grass_dry": ((45, 55, 80, 95, 120, 135, 156, 196), (110, 130, 165, 190, 230, 270, 305, 390)),
    "shrub_dry": ((40, 48, 62, 70, 82, 88, 106, 142), (75, 85, 105, 120, 140, 158, 186, 255)),
    "soil_dark": ((25, 30, 38, 45, 55, 60, 66, 79), (60, 70, 85, 98, 115, 130, 141, 168)),
    "soil_red": ((30, 38, 55, 70, 110, 135, 147, 170), (70, 85, 115, 140, 200, 240, 257, 296)),
    "soil_bright": ((95, 115, 145, 165, 190, 215, 230, 260), (190, 220, 265, 295, 330, 360, 375, 420)),
    "char": ((16, 20, 22, 24, 26, 28, 30, 33), (42, 48, 53, 57, 63, 68, 72, 84)),
    "ash": ((95, 105, 112, 118, 125, 130, 138, 155), (230, 250, 265, 275, 290, 300, 315, 350)),
    "water": ((15, 16, 17, 17, 12, 9, 7, 4), (70, 75, 95, 100, 85, 70, 50, 30)),
    "built": ((70, 80, 90, 95, 105, 110, 115, 125), (200, 220, 235, 245, 255, 265, 275, 300)),
    "cloud": ((480, 500, 510, 520, 525, 530, 540, 560), (820, 840, 850, 860, 865, 870, 880, 900)),
}


def draw(rng: np.random.Generator, name: str, spec: SeriesSpec, spread: float = 0.12) -> Floats:
    """Draw one spectrum within the range of a cover: one brightness for all bands, and a little for each.

    With `spectral_spread` the spectrum leaves the range: a factor for all bands, and one for each that is a third as
    far from 1.

    Returns:
        (bands,) float32 reflectance in the sensor's bands.
    """
    low, high = (np.array(edge, np.float64) / 1000 for edge in RANGES[name])
    level = np.clip(rng.uniform() + spread * rng.standard_normal(len(low)), 0, 1)
    spectrum = low + (high - low) * level
    if spec.spectral_spread > 0:
        away = rng.standard_normal() + rng.standard_normal(len(low)) / 3
        spectrum *= np.exp(spec.spectral_spread * away)
    if spec.sensor in CENTRES_UM:
        wavelengths = [*(WAVELENGTH_UM[role] for role in PLANETSCOPE_8[:-1]), PLATEAU_UM, WAVELENGTH_UM["nir"]]
        values = [*spectrum[:-1], spectrum[-1], spectrum[-1]]
        return np.asarray(np.interp(CENTRES_UM[spec.sensor], wavelengths, values), np.float32)
    return spectrum[[PLANETSCOPE_8.index(role) for role in spec.roles]].astype(np.float32)


def scattering(roles: Sequence[str], exponent: float) -> Floats:
    """Relative strength of scattering per band, blue = 1, falling with the wavelength's power of `exponent`."""
    wavelengths = np.array([WAVELENGTH_UM[role] for role in roles])
    return ((wavelengths / WAVELENGTH_UM["blue"]) ** -exponent).astype(np.float32)
