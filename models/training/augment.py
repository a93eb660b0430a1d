"""Augmentation of chips: what leaves the truth as it is."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from models.training.chips import Chip

DARKEST, BRIGHTEST = 0.8, 1.25
YEAR_DAYS = 365

Pixel = TypeVar("Pixel", bound=np.generic)


def augment(chip: Chip, rng: np.random.Generator) -> Chip:
    """Flip and turn, scale the radiometry of the whole series, move the calendar, drop the mask of some looks.

    The calendar moves for one chip in three: a network that leans on the day of year fails where seasons differ.
    """
    turns, flip = int(rng.integers(4)), bool(rng.integers(2))
    gain = np.exp(rng.uniform(np.log(DARKEST), np.log(BRIGHTEST))) if rng.uniform() < 0.5 else 1.0
    tilt = rng.normal(1, 0.04, (1, chip.reflectance.shape[1], 1, 1)) if rng.uniform() < 0.5 else np.ones((1, 1, 1, 1))
    shift = float(rng.integers(YEAR_DAYS)) if rng.uniform() < 1 / 3 else 0.0
    return Chip(
        reflectance=_turn(chip.reflectance, turns, flip) * (gain * tilt).astype(np.float32),
        clear=_turn(_hide(chip.clear, rng), turns, flip),
        days=chip.days + np.float32(shift),
        target=_turn(chip.target, turns, flip),
    )


def _turn(values: NDArray[Pixel], turns: int, flip: bool) -> NDArray[Pixel]:
    turned = np.rot90(values, turns, axes=(-2, -1))
    return np.ascontiguousarray(turned[..., ::-1] if flip else turned)


def _hide(clear: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Take a rectangle out of one date for one chip in four, as the edge of a scene does."""
    if rng.uniform() >= 0.25:
        return clear
    dates, height, width = clear.shape
    hidden = clear.copy()
    row, col = int(rng.integers(height)), int(rng.integers(width))
    rows, cols = (slice(row, None), slice(None)) if rng.uniform() < 0.5 else (slice(None), slice(col, None))
    hidden[int(rng.integers(dates)), rows, cols] = False
    return hidden
