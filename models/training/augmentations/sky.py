"""What lies between the ground and the file: haze, clouds with their shadows, gains of the sensor."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from geo.simulator.atmosphere import CLOUDY, SHADED
from geo.simulator.noise import fractal, smoothstep
from models.errors import ConfigRefused
from models.training.augmentations.geometry import check_chance

if TYPE_CHECKING:  # chips read the configuration, of which these tables are a part
    from models.training.chips import Chip

Floats = NDArray[np.float32]

SHADOW_REACH = 0.3
"""Farthest shadow from its cloud, as a share of the chip's longer side."""


def clouded(image_CHW: Floats, opacity_HW: Floats, shade_HW: Floats, bright: float) -> Floats:
    """Lay shadow on the ground and cloud over both; `bright` is the cloud's reflectance in every band."""
    return np.asarray(image_CHW * (1 - shade_HW) * (1 - opacity_HW) + np.float32(bright) * opacity_HW, np.float32)


def draw_clouds(
    height: int, width: int, *, share: float, away: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw one sky: cloud and shadow are two windows of one field.

    Args:
        height: of the chip, in pixels.
        width: of the chip, in pixels.
        share: of the pixels that clouds begin to cover.
        away: side to which shadows fall, in radians from down (0) to the right (pi / 2).
        rng: source of chance.

    Returns:
        Opacity and share of the light lost in shadow, (H, W) float32 each.
    """
    reach = rng.uniform(0, SHADOW_REACH) * max(height, width)
    down, right = round(reach * math.cos(away)), round(reach * math.sin(away))
    feature_px = rng.uniform(0.1, 0.6) * max(height, width)
    field = fractal(rng, (height + abs(down), width + abs(right)), feature_px)
    cloud = field[max(down, 0) :, max(right, 0) :][:height, :width]
    shadow = field[max(-down, 0) :, max(-right, 0) :][:height, :width]
    low = float(np.quantile(cloud, 1 - share))
    high = low + rng.uniform(0.15, 0.6)
    opacity = smoothstep(cloud, low, high) * np.float32(rng.uniform(0.75, 1))
    return opacity, smoothstep(shadow, low, high) * np.float32(rng.uniform(0.45, 0.8))


@dataclass(frozen=True)
class Gain:
    """Sensors that read too much or too little: one factor per date, and one per date and band.

    Attributes:
        chance: 0..1, per chip.
        per_date: standard deviation of the logarithm of the factor that all bands of a date share.
        per_band: the same of the factor that each band of each date has.
    """

    chance: float = 0.5
    per_date: float = 0.08
    per_band: float = 0.03

    def __post_init__(self) -> None:
        check_chance("gain", self.chance)
        if not (0 <= self.per_date < math.inf and 0 <= self.per_band < math.inf):
            raise ConfigRefused(f"gain: expected per_date and per_band of 0 or more; got {self}")

    def __call__(self, chip: Chip, rng: np.random.Generator) -> Chip:
        """Return the chip with other gains, or as it is."""
        if rng.uniform() >= self.chance:
            return chip
        dates, bands = chip.reflectance.shape[:2]
        gain = np.exp(rng.normal(0, self.per_date, (dates, 1)) + rng.normal(0, self.per_band, (dates, bands)))
        return replace(chip, reflectance=chip.reflectance * gain[..., None, None].astype(np.float32))


@dataclass(frozen=True)
class Haze:
    """Haze that the clear mask does not know of: light added, more of it at short waves, and contrast taken.

    Attributes:
        chance: 0..1, per date.
        max_reflectance: mean of the thickest haze in the first band.
        per_band: haze of each band over that of the first; by default blue, green, red and near infrared, falling
            with the wavelength to the power of -1.6.
    """

    chance: float = 0.2
    max_reflectance: float = 0.08
    per_band: tuple[float, ...] = (1.0, 0.8, 0.61, 0.4)

    def __post_init__(self) -> None:
        check_chance("haze", self.chance)
        if not 0 <= self.max_reflectance <= 1:
            raise ConfigRefused(f"haze.max_reflectance: expected 0..1; got {self.max_reflectance}")
        if not self.per_band or min(self.per_band) < 0:
            raise ConfigRefused(f"haze.per_band: expected one value of 0 or more per band; got {self.per_band}")

    def __call__(self, chip: Chip, rng: np.random.Generator) -> Chip:
        """Return the chip with haze over some of its dates.

        Raises:
            ConfigRefused: the chip has another number of bands than `per_band`.
        """
        bands, (height, width) = chip.reflectance.shape[1], chip.clear.shape[-2:]
        if len(self.per_band) != bands:
            raise ConfigRefused(f"haze.per_band: expected {bands} values, one per band; got {self.per_band}")
        share = np.array(self.per_band, np.float32)[:, None, None]
        hazy = chip.reflectance.copy()
        for date in np.flatnonzero(rng.uniform(size=len(hazy)) < self.chance):
            billows = 1 + np.float32(0.4) * fractal(rng, (height, width), max(height, width) / 2, finest_px=8)
            layer = share * np.maximum(np.float32(rng.uniform(0, self.max_reflectance)) * billows, 0)
            hazy[date] = hazy[date] * np.maximum(1 - np.float32(1.3) * layer, 0) + layer
        return replace(chip, reflectance=hazy)


@dataclass(frozen=True)
class Cloud:
    """Clouds with shadows, thrown one way in all dates of a chip; the clear mask learns of both.

    What counts as cloud and as shadow is what the simulator counts: `geo.simulator.atmosphere`.

    Attributes:
        chance: 0..1, per date.
        max_share: largest share of a date that clouds cover, about.
    """

    chance: float = 0.2
    max_share: float = 0.4

    def __post_init__(self) -> None:
        check_chance("cloud", self.chance)
        if not 0 < self.max_share < 1:
            raise ConfigRefused(f"cloud.max_share: expected more than 0, less than 1; got {self.max_share}")

    def __call__(self, chip: Chip, rng: np.random.Generator) -> Chip:
        """Return the chip with clouds over some of its dates."""
        image, clear = chip.reflectance.copy(), chip.clear.copy()
        away = rng.uniform(0, 2 * math.pi)
        for date in np.flatnonzero(rng.uniform(size=len(image)) < self.chance):
            share = rng.uniform(0, self.max_share)
            opacity, shade = draw_clouds(*clear.shape[-2:], share=share, away=away, rng=rng)
            image[date] = clouded(image[date], opacity, shade, rng.uniform(0.35, 0.9))
            clear[date] &= (opacity <= CLOUDY) & (shade <= SHADED)
        return replace(chip, reflectance=image, clear=clear)
