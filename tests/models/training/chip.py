"""Chips of which every pixel can be recognised after it has been moved."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from models.training.chips import Chip


def make_chip(seed: int = 0, *, dates: int = 3, height: int = 40, width: int = 40) -> Chip:
    """A chip of four bands whose image tells its truth: class / 2, clear or not, row / 100, column / 100.

    Truth and clear mask are smooth patches, the truth of three classes; the image is NaN where not clear.
    """
    rng = np.random.default_rng(seed)
    classes = gaussian_filter(rng.normal(size=(3, dates, height, width)), (0, 0, 4, 4)).argmax(0)
    sky = gaussian_filter(rng.normal(size=(dates, height, width)), (0, 4, 4))
    clear = sky < np.quantile(sky, 0.8)
    rows, cols = np.broadcast_arrays(np.arange(height)[:, None] / 100, np.arange(width) / 100)
    position = np.broadcast_to(np.stack([rows, cols]), (dates, 2, height, width))
    image = np.concatenate([classes[:, None] / 2, clear[:, None].astype(float), position], 1).astype(np.float32)
    image[~np.broadcast_to(clear[:, None], image.shape)] = np.nan
    days = 18_000 + np.cumsum(rng.integers(1, 30, dates))
    return Chip(image, clear, days.astype(np.float32), classes.astype(np.int64))


def flat_chip(reflectance: float, *, dates: int = 4, side: int = 32) -> Chip:
    """A clear chip of one value and one class."""
    days = np.arange(dates, dtype=np.float32) * 10
    image = np.full((dates, 4, side, side), reflectance, np.float32)
    return Chip(image, np.ones((dates, side, side), bool), days, np.ones((dates, side, side), np.int64))


def same(one: Chip, other: Chip) -> bool:
    """Tell whether two chips are equal bit for bit, NaN included."""
    pairs = ((getattr(one, name), getattr(other, name)) for name in ("reflectance", "clear", "days", "target"))
    return all(a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in pairs)
