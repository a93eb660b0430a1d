"""A detector in plain numpy: on each tile, 4-connected bright pixels are objects; an oracle for merging and tiling."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from geo.pieces import Piece, piece_of
from models.card import Card
from models.engines.blend import tile_spans
from tests.workers.plain_network import plain_card

TILE_PX, STEP_PX = 32, 16
BRIGHT = 0.5

State = tuple[NDArray[np.float32], list[Piece]]


def instances_card(**changes: Any) -> Card:
    """Card of the detector, with `changes`."""
    tiles = {"tile_px": TILE_PX, "stride_px": STEP_PX, "radius_px": TILE_PX - STEP_PX}
    return plain_card(tiling="instances", **(tiles | changes))


class PlainInstances:
    """Implements `models.engine.InstanceEngine`. The score of an object is the mean of its near infrared."""

    def __init__(self, card: Card | None = None) -> None:
        self._card = card or instances_card()

    @property
    def card(self) -> Card:
        return self._card

    def start(self, height: int, width: int) -> State:
        return np.full((2, height, width), np.nan, np.float32), []

    def pieces(self, state: State) -> list[Piece]:
        return state[1]

    def step(
        self, state: State, reflectance: NDArray[np.float32], clear: NDArray[np.bool_], day: int
    ) -> tuple[State, NDArray[np.float32]]:
        assert day > 0
        bright = np.where(clear, reflectance[3], 0) > BRIGHT
        pieces = []
        for rows in tile_spans(clear.shape[0], TILE_PX, STEP_PX):
            for cols in tile_spans(clear.shape[1], TILE_PX, STEP_PX):
                parts, count = ndimage.label(bright[rows, cols])
                for number in range(count):
                    mask = parts == number + 1
                    score = float(reflectance[3, rows, cols][mask].mean())
                    tile = rows.start, cols.start
                    piece = piece_of(mask, *tile, tile=tile, number=number, class_id=1, score=score)
                    pieces += [piece] if piece else []
        probs = np.where(clear, np.stack([~bright, bright]).astype(np.float32), state[0])
        return (probs, pieces), probs
