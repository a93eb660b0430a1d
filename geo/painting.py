"""Values as colours: what tiles and previews of our rasters look like; the same colours as in the QGIS styles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from geo.styles import CONFIDENCE_STOPS, Color, date_steps

Paint = Callable[[NDArray[np.generic]], NDArray[np.uint8]]
"""Takes values, (H, W), of which nodata is not asked for; gives red, green and blue, (3, H, W)."""

GAMMA = 1.4
"""Reflectance is linear and screens are not: without it forests are black."""

VISIBLE_LIMITS = (0.0, 0.3)
INFRARED_LIMITS = (0.0, 0.6)
"""Reflectance that is shown as black, and as white; the same for every scene, so that dates can be compared."""

_VISIBLE = frozenset({"coastal", "blue", "green05", "green", "yellow", "red"})


def natural_limits(role: str) -> tuple[float, float]:
    """Return the reflectance of black and of white that suits a band."""
    return VISIBLE_LIMITS if role in _VISIBLE else INFRARED_LIMITS


def paint_light(reflectance: NDArray[np.floating], limits: Sequence[tuple[float, float]]) -> NDArray[np.uint8]:
    """Return bands of reflectance, (B, H, W), as light of 0 to 255 between the limits of each."""
    low = np.array([pair[0] for pair in limits], np.float32)[:, None, None]
    high = np.array([pair[1] for pair in limits], np.float32)[:, None, None]
    share = np.clip((reflectance - low) / (high - low), 0, 1)
    return np.asarray(np.rint(255 * share ** (1 / GAMMA)), np.uint8)


def paint_table(table: Mapping[int, tuple[int, ...]]) -> Paint:
    """Paint by a raster's own colour table; a value that is not in it is black."""
    colors = np.zeros((3, 256), np.uint8)
    for value, color in table.items():
        colors[:, value] = color[:3]
    return lambda values: colors[:, values.astype(np.uint8)]


def paint_dates(dates: Sequence[date]) -> Paint:
    """Paint days since 1970-01-01 by the ramp of `geo.styles.style_dates`."""
    days, colors = _parts(date_steps(dates))
    return lambda values: colors[:, np.minimum(np.searchsorted(days, values), len(days) - 1)]


def paint_confidence() -> Paint:
    """Paint percent by the ramp of `geo.styles.style_confidence`."""
    percent, colors = _parts(CONFIDENCE_STOPS)
    ramp = np.stack([np.rint(np.interp(np.arange(256), percent, band)) for band in colors]).astype(np.uint8)
    return lambda values: ramp[:, values.astype(np.uint8)]


def paint_numbers(numbers: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Paint instances so that neighbours differ: hues go round by the golden ratio."""
    hue = 6 * (numbers.astype(np.float64) * 0.6180339887498949 % 1)
    light = [np.clip(np.abs((hue + shift) % 6 - 3) - 1, 0, 1) for shift in (0, 4, 2)]
    return np.asarray(np.rint(60 + 180 * np.stack(light)), np.uint8)


def paint_grey(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Paint a raster that has no colours."""
    return np.repeat(values.astype(np.uint8)[None], 3, axis=0)


def _parts(steps: Sequence[tuple[float, Color]]) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    return np.array([value for value, _ in steps]), np.array([color for _, color in steps], np.uint8).T
