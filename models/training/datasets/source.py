"""What training asks of a data set of single dates; where its pixels come from is not its concern."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from models.card import MASK_NODATA
from models.training.chips import Chip
from models.training.class_weights import ClassFrequencies


class Described(Protocol):
    """What every data set says of itself."""

    @property
    def bands(self) -> tuple[str, ...]:
        """Roles of the bands, in the order of a chip's."""

    @property
    def res_m(self) -> tuple[float, float]:
        """Smallest and largest pixel size, for the card."""

    @property
    def about(self) -> str:
        """What the data are, in a sentence, for the card."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user must know about the data before training, such as files that were left out."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what the data are: equal values mean equal data."""


class Source(Described, Protocol):
    """A data set of single dates with truth, split into what is learned from and what is held out."""

    @property
    def per_draw(self) -> int:
        """Chips that one draw gives."""

    def draw(self, rng: np.random.Generator) -> list[Chip]:
        """Draw training chips of one date each, all of the same size; a function of the generator's state alone."""

    def pictures(self, split: str) -> Sequence[Picture]:
        """Return whole pictures: `held-out`, or `train`."""

    def frequencies(self, classes: int) -> ClassFrequencies:
        """Count the classes of the training pictures."""


@dataclass(frozen=True)
class Picture:
    """A picture of any size with its truth, read window by window.

    Attributes:
        name: of the file, or of the simulated landscape.
        shape: (height, width).
        read: (row, col, height, width) -> chip of one date; a window that lies in the picture.
    """

    name: str
    shape: tuple[int, int]
    read: Callable[[int, int, int, int], Chip]

    def window(self, row: int, col: int, height: int, width: int) -> Chip:
        """Read a window that may reach over the picture's edges: out there nothing is clear, and nothing counts."""
        top, left = max(row, 0), max(col, 0)
        bottom, right = min(row + height, self.shape[0]), min(col + width, self.shape[1])
        chip = self.read(top, left, bottom - top, right - left)
        if (bottom - top, right - left) == (height, width):
            return chip
        sides = ((top - row, row + height - bottom), (left - col, col + width - right))
        return Chip(
            reflectance=np.pad(chip.reflectance, ((0, 0), (0, 0), *sides)),
            clear=np.pad(chip.clear, ((0, 0), *sides)),
            days=chip.days,
            target=np.pad(chip.target, ((0, 0), *sides), constant_values=MASK_NODATA),
        )


def picture_of(name: str, chip: Chip) -> Picture:
    """Return a chip of one date as a picture."""

    def read(row: int, col: int, height: int, width: int) -> Chip:
        rows, cols = slice(row, row + height), slice(col, col + width)
        return Chip(
            chip.reflectance[..., rows, cols], chip.clear[..., rows, cols], chip.days, chip.target[..., rows, cols]
        )

    return Picture(name, (chip.target.shape[1], chip.target.shape[2]), read)


def draw_window(picture: Picture, side_px: int, rng: np.random.Generator, *, tries: int = 8) -> Chip:
    """Draw a square window, inside the picture where that is large enough.

    Windows without any pixel that counts are drawn again, up to `tries` windows in all.
    """
    chip = None
    for _ in range(tries):
        row, col = (int(rng.integers(min(0, size - side_px), max(0, size - side_px) + 1)) for size in picture.shape)
        chip = picture.window(row, col, side_px, side_px)
        if (chip.clear & (chip.target != MASK_NODATA)).any():
            return chip
    if chip is None:
        raise ValueError(f"expected 1 or more tries; got {tries}")
    return chip
