"""Blocks: the units of work, cut from one grid, aligned to the network's stride, with a halo around the core."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from odc.geo.geobox import GeoBox


@dataclass(frozen=True)
class Window:
    """A pixel rectangle relative to a grid; it may leave the grid, row and col may be negative."""

    row: int
    col: int
    height: int
    width: int


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

    def window(self, halo_px: int, stride_px: int) -> Window:
        """Return what a network reads for this block: the core, rounded up to the stride, and a halo around it."""
        height, width = (-(-size // stride_px) * stride_px for size in (self.height, self.width))
        return Window(self.row - halo_px, self.col - halo_px, height + 2 * halo_px, width + 2 * halo_px)


def cut_blocks(shape: tuple[int, int], block_px: int | tuple[int, int]) -> Iterator[Block]:
    """Cut a grid into blocks, row by row.

    Args:
        shape: (height, width) of the grid in pixels.
        block_px: edge of a core, or its (height, width); multiples of the network's stride.
    """
    rows, cols = shape
    tall, wide = (block_px, block_px) if isinstance(block_px, int) else block_px
    index = 0
    for row in range(0, rows, tall):
        for col in range(0, cols, wide):
            yield Block(index, row, col, min(tall, rows - row), min(wide, cols - col))
            index += 1


def even_size(size_px: int, block_px: int, stride_px: int) -> int:
    """Return the edge that cuts `size_px` into as few blocks of at most `block_px` as possible, all about alike.

    Even blocks have fewer halo pixels, need less memory, and let an engine plan for one shape.
    """
    largest = max(block_px // stride_px, 1) * stride_px
    count = -(-size_px // largest)
    return -(-size_px // (count * stride_px)) * stride_px
