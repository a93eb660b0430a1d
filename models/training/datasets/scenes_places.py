"""The ground cut into blocks, the same everywhere and for every scene: what a split by location is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

M_PER_DEGREE = 111_195.0
"""Of a sphere of 6371 km; the ellipsoid's differ by less than 1 %."""

SLACK = 1.01
_SHIFT = 2**32


@dataclass(frozen=True)
class Places:
    """Blocks in rows of equal latitude, each row cut anew along the equator's length there: all are about square.

    Longitude and latitude alone say in which block a pixel's centre lies. So the same ground is in the same block,
    whatever scene, grid or CRS it is seen in.

    Attributes:
        block_m: edge of a block.
        buffer_m: distance that matters to `around`, at most half a block.
    """

    block_m: float
    buffer_m: float

    def __post_init__(self) -> None:
        if not 0 <= 2 * self.buffer_m * SLACK <= self.block_m:
            raise ValueError(f"expected a buffer of at most half a block; got {self.buffer_m} and {self.block_m} m")

    def block(self, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the number of the block that places lie in.

        Args:
            lon: in degrees, of any turn.
            lat: in degrees.
        """
        row = np.floor((lat + 90.0) * M_PER_DEGREE / self.block_m)
        col = np.floor(((lon + 180.0) % 360.0) / self._width_deg(row))
        return (row * _SHIFT + col).astype(np.int64)

    def around(self, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the blocks that lie within the buffer of places, (4, ...): one at each corner of a square around."""
        up = SLACK * self.buffer_m / M_PER_DEGREE
        side = up / np.maximum(np.cos(np.radians(lat)), 1e-6)
        return np.stack([self.block(lon + east * side, lat + north * up) for north in (-1, 1) for east in (-1, 1)])

    def middle(self, block: int) -> tuple[float, float]:
        """Return longitude and latitude of a block's middle."""
        row, col = divmod(block, _SHIFT)
        width = float(self._width_deg(np.float64(row)))
        return (col + 0.5) * width - 180.0, (row + 0.5) * self.block_m / M_PER_DEGREE - 90.0

    def _width_deg(self, row: NDArray[np.float64] | np.float64) -> NDArray[np.float64]:
        middle = np.radians((row + 0.5) * self.block_m / M_PER_DEGREE - 90.0)
        return np.asarray(self.block_m / (M_PER_DEGREE * np.maximum(np.cos(middle), 1e-6)))
