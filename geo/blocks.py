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

    def __and__(self, other: Window) -> Window | None:
        """Return what both have in common; None where they do not meet."""
        row, col = max(self.row, other.row), max(self.col, other.col)
        bottom = min(self.row + self.height, other.row + other.height)
        right = min(self.col + self.width, other.col + other.width)
        return Window(row, col, bottom - row, right - col) if bottom > row and right > col else None

    def within(self, outer: Window) -> tuple[slice, slice]:
        """Return the rows and columns that this window takes in an array of `outer`'s pixels."""
        row, col = self.row - outer.row, self.col - outer.col
        return slice(row, row + self.height), slice(col, col + self.width)

    def aligned(self, stride_px: int) -> Window:
        """Grow to whole multiples of a stride on every side."""
        row, col = self.row // stride_px * stride_px, self.col // stride_px * stride_px
        bottom, right = -(-(self.row + self.height) // stride_px), -(-(self.col + self.width) // stride_px)
        return Window(row, col, bottom * stride_px - row, right * stride_px - col)


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

    @property
    def kept(self) -> Window:
        """The core as a window."""
        return Window(self.row, self.col, self.height, self.width)

    def window(self, halo_px: int, stride_px: int) -> Window:
        """Return what a network reads for this block: the core, rounded up to the stride, and a halo around it."""
        core = self.kept.aligned(stride_px)
        return Window(core.row - halo_px, core.col - halo_px, core.height + 2 * halo_px, core.width + 2 * halo_px)


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
    """Return the edge that cuts `size_px` into blocks of about `block_px`, all about alike.

    It is at most an eighth larger than `block_px`, so that a grid of a few pixels more than a whole number of blocks is
    not cut into one more. Even blocks have fewer halo pixels, need less memory, and let an engine plan for one shape.
    """
    largest = max(block_px // stride_px, 1) * stride_px
    count = -(-size_px * 8 // (largest * 9))
    return -(-size_px // (count * stride_px)) * stride_px
