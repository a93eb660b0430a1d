"""A small exact network in plain numpy: strided, masked, recurrent, with a known receptive field.

Not trained to see anything: an oracle for tiling, since each pixel is a sum of elementwise terms in a fixed order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.card import Card, Change, LandClass

STRIDE_PX = 4
RADIUS_PX = 10
"""3x3 on the input (1), the mean of a 4x4 cell and 3x3 on cells (7), 3x3 on the state (1), rounded up."""


def plain_card(**changes: Any) -> Card:
    """Card of the network, with `changes`."""
    values: dict[str, Any] = {
        "name": "plain", "version": 1, "family": "plain", "title": "Plain", "description": "For tests.",
        "bands": ("blue", "green", "red", "nir"),
        "classes": (
            LandClass(id=0, name="unburned", color="#2c7a3f"), LandClass(id=1, name="burned", color="#d7301f"),
        ),
        "change": Change(name="burned", before=0, after=1),
        "mean": (0.0,) * 4, "std": (1.0,) * 4, "stride_px": STRIDE_PX, "radius_px": RADIUS_PX, "tiling": "exact",
        "res_m": (1.0, 30.0), "architecture": {}, "training": {}, "scores": {}, "hashes": {},
    }  # fmt: skip
    return Card(**(values | changes))


class PlainEngine:
    """Implements `models.engine.Engine`."""

    def __init__(self, card: Card | None = None, *, near: bool = False) -> None:
        """`near`: without the coarse level and the context of the state; then the radius is 1."""
        self._card = card or plain_card()
        self._near = near
        self.windows: set[tuple[int, int]] = set()

    @property
    def card(self) -> Card:
        return self._card

    def start(self, height: int, width: int) -> Any:
        assert height % STRIDE_PX == 0
        assert width % STRIDE_PX == 0
        self.windows.add((height, width))
        return np.zeros((height, width), np.float32), np.zeros((height, width), bool)

    def step(
        self, state: Any, reflectance: NDArray[np.float32], clear: NDArray[np.bool_], day: int
    ) -> tuple[Any, NDArray[np.float32]]:
        memory, seen = state
        usable = np.where(clear, reflectance, np.float32(0))
        # The constant makes a pixel without data differ from the padding beyond the window's edge.
        signal = np.float32(0.07) + usable[3] - usable[2] + np.float32(0.5) * usable[0] - np.float32(0.25) * usable[1]
        fine = np.tanh(_around(signal) * np.float32(4))
        if not self._near:
            height, width = fine.shape
            cells = fine.reshape(height // 4, 4, width // 4, 4)
            mean = sum(cells[:, i, :, j] for i in range(4) for j in range(4)) / np.float32(16)
            fine = fine + np.repeat(np.repeat(_around(mean), 4, axis=0), 4, axis=1)
        gate = np.float32(0.6) + np.float32(0.1) * np.tanh(fine)
        memory = np.where(clear, (1 - gate) * memory + gate * fine, memory)
        seen = seen | clear
        logit = (memory if self._near else _around(memory)) * np.float32(20) - np.float32(day % 7)
        burned = np.where(seen, 1 / (1 + np.exp(-logit)), np.float32(np.nan)).astype(np.float32)
        return (memory, seen), np.stack([1 - burned, burned])


def _around(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """3x3 sum with uneven weights, zeros beyond the edge."""
    padded = np.pad(plane, 1)
    height, width = plane.shape
    weights = (0.03, -0.11, 0.07, 0.19, 0.31, 0.13, -0.05, 0.17, 0.02)
    total = np.zeros_like(plane)
    for number, weight in enumerate(weights):
        row, col = divmod(number, 3)
        total += np.float32(weight) * padded[row : row + height, col : col + width]
    return total
