"""Inference by overlapping tiles, for networks that look at everything they are given. No torch here."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.card import Card
from models.engine import Engine
from models.errors import CheckpointRefused


def tile_spans(size_px: int, tile_px: int, step_px: int) -> Iterator[slice]:
    """Yield the tiles along one side of a window: one every step, all of them inside; a smaller window is one tile.

    A window begins on the lattice of tiles, and holds every tile that touches its core; where data end, it ends, and no
    tile reaches beyond, for every way of cutting blocks. So which tiles a pixel lies in does not depend on the block.
    """
    for start in range(0, max(size_px - tile_px, 0) + 1, step_px):
        yield slice(start, min(start + tile_px, size_px))


def tile_weights(size_px: int) -> NDArray[np.float32]:
    """Return the weight of each pixel along one side of a tile: sin^2, above 0, at tiles half apart in sum 1."""
    at = (np.arange(size_px) + 0.5) * (np.pi / size_px)
    return np.asarray(np.sin(at) ** 2, np.float32)


class BlendEngine:
    """A network without a memory, run on tiles of one global lattice, whose probabilities are averaged.

    The average is weighted so that a tile's say fades out towards its edge: no seam can stand out, and since the
    lattice is global, blocks of any size give the same result, bit for bit. A pixel that is not clear repeats its last
    look.
    """

    def __init__(self, inner: Engine) -> None:
        """`inner`: the network on one tile; its card has `tile_px`, and its `stride_px` is the lattice's step."""
        if inner.card.tile_px is None:
            raise CheckpointRefused(f"{inner.card.id}: blending needs tile_px in its card; there is none")
        self._inner, self._tile_px = inner, inner.card.tile_px

    @property
    def card(self) -> Card:
        """The card of the loaded network."""
        return self._inner.card

    def start(self, height: int, width: int) -> NDArray[np.float32]:
        """Return the state before the first date: probabilities that are not known yet."""
        return np.full((len(self.card.classes), height, width), np.nan, np.float32)

    def step(
        self, state: NDArray[np.float32], reflectance: NDArray[np.float32], clear: NDArray[np.bool_], day: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Take one date in; see `models.engine.Engine`."""
        sums, weights = np.zeros_like(state), np.zeros(clear.shape, np.float32)
        height, width = clear.shape
        for rows in tile_spans(height, self._tile_px, self.card.stride_px):
            for cols in tile_spans(width, self._tile_px, self.card.stride_px):
                usable = clear[rows, cols]
                if not usable.any():
                    continue
                before = self._inner.start(*usable.shape)
                _, probs = self._inner.step(before, reflectance[:, rows, cols], usable, day)
                weight = np.outer(tile_weights(usable.shape[0]), tile_weights(usable.shape[1]))
                sums[:, rows, cols] += np.where(usable, probs, 0) * weight
                weights[rows, cols] += weight
        blended = np.where(clear, sums / np.where(clear, weights, 1), state)
        return blended, blended
