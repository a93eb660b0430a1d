"""Reading a grid at places between its pixels, and knowing which of them may be believed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Pixel = TypeVar("Pixel", bound=np.generic)


@dataclass(frozen=True)
class Places:
    """Where each output pixel (h, w) reads in a source of (height, width) pixels.

    Attributes:
        rows, cols: (h, w) float64, in pixels; whole numbers are centres of source pixels.
        source: (height, width). Beyond the centres of its outermost pixels nothing is known.
    """

    rows: NDArray[np.float64]
    cols: NDArray[np.float64]
    source: tuple[int, int]

    def inside(self) -> NDArray[np.bool_]:
        """Tell which places lie within the source."""
        height, width = self.source
        inside: NDArray[np.bool_] = (
            (self.rows >= 0) & (self.rows <= height - 1) & (self.cols >= 0) & (self.cols <= width - 1)
        )
        return inside

    def nearest(self, values: NDArray[Pixel], outside: int) -> NDArray[Pixel]:
        """Read the pixel that is nearest; `outside` where there is none. (..., height, width) -> (..., h, w)."""
        rows, cols = (np.floor(at + 0.5).astype(np.intp) for at in (self.rows, self.cols))
        height, width = self.source
        read = values[..., rows.clip(0, height - 1), cols.clip(0, width - 1)]
        return np.where(self.inside(), read, np.asarray(outside, values.dtype))

    def bilinear(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Interpolate finite values; 0 outside. (..., height, width) -> (..., h, w) float32."""
        read = np.zeros((*values.shape[:-2], *self.rows.shape), np.float32)
        for rows, cols, weight in self._corners():
            read += values[..., rows, cols] * weight.astype(np.float32)
        return read * self.inside()

    def every(self, holds: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Tell where all the pixels that `bilinear` mixes hold; False outside. (..., height, width) -> (..., h, w)."""
        read = np.broadcast_to(self.inside(), (*holds.shape[:-2], *self.rows.shape)).copy()
        for rows, cols, weight in self._corners():
            read &= holds[..., rows, cols] | (weight == 0)
        return read

    def _corners(self) -> list[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]]:
        """Return (rows, cols, weight) of the four pixels around each place."""
        height, width = self.source
        top, left = np.floor(self.rows), np.floor(self.cols)
        down, right = self.rows - top, self.cols - left
        corners = []
        for row, row_weight in ((top, 1 - down), (top + 1, down)):
            for col, col_weight in ((left, 1 - right), (left + 1, right)):
                rows, cols = row.clip(0, height - 1).astype(np.intp), col.clip(0, width - 1).astype(np.intp)
                corners.append((rows, cols, row_weight * col_weight))
        return corners


def turned_places(height: int, width: int, *, angle_deg: float = 0.0, scale: float = 1.0) -> Places:
    """Places that turn a grid about its centre, counter-clockwise as `numpy.rot90` does, and magnify it by `scale`."""
    rows, cols = np.meshgrid(np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2, indexing="ij")
    sine, cosine = math.sin(math.radians(angle_deg)) / scale, math.cos(math.radians(angle_deg)) / scale
    return _places(cosine * rows + sine * cols, cosine * cols - sine * rows, (height, width))


def shifted_places(height: int, width: int, *, down_px: float, right_px: float) -> Places:
    """Places that move a grid down and to the right."""
    rows, cols = np.meshgrid(np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2, indexing="ij")
    return _places(rows - down_px, cols - right_px, (height, width))


def _places(rows: NDArray[np.float64], cols: NDArray[np.float64], source: tuple[int, int]) -> Places:
    """Count from the first pixel, not from the centre; rounded, so that a quarter turn reads whole pixels."""
    height, width = source
    return Places(np.round(rows + (height - 1) / 2, 6), np.round(cols + (width - 1) / 2, 6), source)
