"""Blocks: the units of work, cut from one grid, aligned to the network's stride, with a halo around the core."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from odc.geo.geobox import GeoBox


@dataclass(frozen=True)
class Block:
    """A pixel rectangle of the output grid.

    Attributes:
        index: number of the block within its plan, from 0, in row-major order.
        row, col: upper left pixel of the core in the output grid; multiples of the stride.
        height, width: size of the core in pixels; smaller than the block size only at the grid's far edges.
    """

    index: int
    row: int
    col: int
    height: int
    width: int

    def core(self, geobox: GeoBox) -> GeoBox:
        """Grid of the pixels that are kept."""
        return geobox[self.row : self.row + self.height, self.col : self.col + self.width]


def cut_blocks(shape: tuple[int, int], block_px: int) -> Iterator[Block]:
    """Cut a grid into blocks, row by row.

    Args:
        shape: (height, width) of the grid in pixels.
        block_px: edge of a core; a multiple of the network's stride.
    """
    rows, cols = shape
    index = 0
    for row in range(0, rows, block_px):
        for col in range(0, cols, block_px):
            yield Block(index, row, col, min(block_px, rows - row), min(block_px, cols - col))
            index += 1
