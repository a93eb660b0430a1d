"""What the block pipeline asks of an inference engine; which one runs is not its concern."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from geo.pieces import Piece
from models.card import Card

State = Any
"""What a network remembers between dates; opaque to callers, valid for the engine that made it."""


class Engine(Protocol):
    """A network ready to run, one date at a time."""

    @property
    def card(self) -> Card:
        """The card of the loaded network."""

    def start(self, height: int, width: int) -> State:
        """Return the state before the first date, for windows of (height, width), multiples of the stride."""

    def step(
        self, state: State, reflectance: NDArray[np.float32], clear: NDArray[np.bool_], day: int
    ) -> tuple[State, NDArray[np.float32]]:
        """Take one date in.

        Args:
            state: from `start` or the last `step`; not to be used again afterwards.
            reflectance: (C, H, W), the card's bands in order, 0..1; anything where `clear` is False, NaN too.
            clear: (H, W), True = usable pixel.
            day: date as days since 1970-01-01.

        Returns:
            The new state, and class probabilities (K, H, W) float32 in [0, 1]; NaN where no date was clear yet.
        """


@runtime_checkable
class RememberingEngine(Engine, Protocol):
    """An engine whose state can leave it: as named arrays, the same for all engines of a model."""

    def tensors(self, state: State) -> Mapping[str, NDArray[np.float32]]:
        """Return the state's arrays by name."""

    def restore(self, tensors: Mapping[str, NDArray[np.float32]]) -> State:
        """Return the state that these arrays are of; they are copied."""


@runtime_checkable
class InstanceEngine(Engine, Protocol):
    """An engine whose network finds instances, on tiles of one global lattice (`Card.tile_px`)."""

    def pieces(self, state: State) -> list[Piece]:
        """Tell what each tile showed on the date after which `state` is, in pixels of the window."""
