"""Test-time augmentation: a network on four mirror images of a window, and the mean of what it says. No torch here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.card import Card
from models.engine import Engine, State
from models.errors import ModelUnsuited

ROWS, COLS = -2, -1

FLIPS: tuple[tuple[int, ...], ...] = ((), (COLS,), (ROWS,), (ROWS, COLS))
"""Axes that each image is mirrored along. Quarter turns would double the cost and gain nothing that could be measured
(docs/accuracy.md)."""


def check_averages(card: Card) -> None:
    """Refuse test-time augmentation of a network whose answers have no mean.

    Raises:
        ModelUnsuited: it finds instances.
    """
    if card.tiling == "instances":
        raise ModelUnsuited(f"{card.id} finds instances, which test-time augmentation cannot average: leave tta out")


class FlipEngine:
    """A network that looks at each date four times, mirrored, with four states: four times the time and memory.

    A window of whole strides stays one when it is mirrored, so that tiling is as exact as the network's own.
    """

    def __init__(self, inner: Engine) -> None:
        """`inner`: the network; of one that blends tiles, the network that runs on a tile."""
        self._inner = inner

    @property
    def card(self) -> Card:
        """The card of the loaded network."""
        return self._inner.card

    def start(self, height: int, width: int) -> tuple[State, ...]:
        """Return the states before the first date."""
        return tuple(self._inner.start(height, width) for _ in FLIPS)

    def step(
        self, state: tuple[State, ...], reflectance: NDArray[np.float32], clear: NDArray[np.bool_], day: int
    ) -> tuple[tuple[State, ...], NDArray[np.float32]]:
        """Take one date in; see `models.engine.Engine`."""
        mean = np.zeros((len(self.card.classes), *clear.shape), np.float32)
        states = []
        for before, axes in zip(state, FLIPS, strict=True):
            after, probs = self._inner.step(before, np.flip(reflectance, axes), np.flip(clear, axes), day)
            mean += np.flip(probs, axes)
            states.append(after)
        mean /= len(FLIPS)
        return tuple(states), mean
