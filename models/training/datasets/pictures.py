"""A data set of pictures whose split is known: what all sources of files have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from models.card import MASK_NODATA
from models.training.chips import Chip
from models.training.class_weights import ClassFrequencies
from models.training.datasets.source import Picture, draw_window

READ_PX = 1024
"""Large pictures are counted in windows of this size, so that memory does not depend on theirs."""


class PictureSource:
    """Pictures to learn from, all alike, and pictures held out; see `Source`.

    Args:
        train, held_out: the pictures.
        bands: their roles, in the order of a chip's.
        res_m: smallest and largest pixel size.
        chip_px: edge of a training chip.
        about: what the data are, for the card.
        notes: what a user must know before training.
        fingerprint: SHA-256 of the data.
    """

    per_draw = 1

    def __init__(
        self,
        *,
        train: Sequence[Picture],
        held_out: Sequence[Picture],
        bands: tuple[str, ...],
        res_m: tuple[float, float],
        chip_px: int,
        about: str,
        notes: tuple[str, ...],
        fingerprint: str,
    ) -> None:
        self._split, self._chip_px = {"train": list(train), "held-out": list(held_out)}, chip_px
        self.bands, self.res_m, self.about, self.notes, self.fingerprint = bands, res_m, about, notes, fingerprint

    def draw(self, rng: np.random.Generator) -> list[Chip]:
        """Draw a window of a training picture, all pictures alike; see `Source`."""
        train = self._split["train"]
        return [draw_window(train[int(rng.integers(len(train)))], self._chip_px, rng)]

    def pictures(self, split: str) -> Sequence[Picture]:
        """Return the pictures of a split, or of both for `all`; see `Source`."""
        return [one for name, ones in self._split.items() if split in (name, "all") for one in ones]

    def frequencies(self, classes: int) -> ClassFrequencies:
        """Count the classes of the training pictures, pixels that count alone; see `Source`."""
        counted = ClassFrequencies(classes)
        for picture in self._split["train"]:
            ids = np.concatenate([
                chip.target[chip.clear & (chip.target != MASK_NODATA)].astype(np.uint8) for chip in _windows(picture)
            ])  # fmt: skip
            counted.add(ids, np.ones(ids.shape, bool))
        return counted


def _windows(picture: Picture) -> Iterator[Chip]:
    height, width = picture.shape
    for row in range(0, height, READ_PX):
        for col in range(0, width, READ_PX):
            yield picture.read(row, col, min(READ_PX, height - row), min(READ_PX, width - col))
