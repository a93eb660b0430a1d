"""Pieces of instances: what a network saw of an object within one of the overlapping tiles that it looks at."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geo.blocks import Window

_TABLE = np.dtype(
    [(name, "<i4") for name in ("tile_row", "tile_col", "number", "row", "col", "height", "width")]
    + [("class_id", "u1"), ("score", "<f4")]
)


@dataclass(frozen=True)
class Piece:
    """One object as one tile shows it, cut at the tile's edge.

    Attributes:
        tile: (row, col) of the tile's first pixel.
        number: place among what was found in the tile, from 0; (tile, number) names a piece of a date.
        window: pixels that the mask spans; no row or column along its edges is empty.
        bits: the mask's pixels row by row, eight to a byte.
        class_id: what it is.
        score: how sure that is, 0..1.
    """

    tile: tuple[int, int]
    number: int
    window: Window
    bits: bytes
    class_id: int
    score: float

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The mask of the window's pixels, (height, width)."""
        pixels = self.window.height * self.window.width
        flat = np.unpackbits(np.frombuffer(self.bits, np.uint8), count=pixels).view(np.bool_)
        return flat.reshape(self.window.height, self.window.width)

    def moved(self, rows: int, cols: int) -> Piece:
        """Return the piece in coordinates whose origin lies so much further up and left."""
        window = replace(self.window, row=self.window.row + rows, col=self.window.col + cols)
        return replace(self, tile=(self.tile[0] + rows, self.tile[1] + cols), window=window)

    def tile_window(self, tile_px: int) -> Window:
        """Return the tile's pixels."""
        return Window(*self.tile, tile_px, tile_px)

    def within(self, part: Window) -> NDArray[np.bool_]:
        """Return the mask of some pixels that all lie in the piece's window."""
        return self.mask[part.within(self.window)]


def piece_of(
    mask: NDArray[np.bool_], row: int, col: int, *, tile: tuple[int, int], number: int, class_id: int, score: float
) -> Piece | None:
    """Make a piece of a mask whose first pixel is (row, col); None where the mask is empty."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    tight = mask[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    window = Window(row + int(rows[0]), col + int(cols[0]), *tight.shape)
    # As a file keeps it, so that a piece that was written and read again is the same.
    score = float(np.float32(score))
    return Piece(tile, number, window, np.packbits(tight).tobytes(), class_id, score)


def add_pieces(archive: zipfile.ZipFile, label: str, pieces: Sequence[Piece]) -> None:
    """Add a date's pieces to a file of pieces, a NumPy archive; the same pieces give the same bytes.

    Args:
        archive: open for writing.
        label: names the date.
        pieces: at most one of each name.
    """
    table = np.array(
        [
            (*p.tile, p.number, p.window.row, p.window.col, p.window.height, p.window.width, p.class_id, p.score)
            for p in pieces
        ],
        _TABLE,
    )
    bits = np.frombuffer(b"".join(p.bits for p in pieces), np.uint8)
    for name, values in (("table", table), ("bits", bits)):
        with archive.open(f"{label}/{name}.npy", "w") as file:
            np.lib.format.write_array(file, values, allow_pickle=False)


def read_pieces(path: Path, label: str) -> list[Piece]:
    """Read a date's pieces from a file."""
    with np.load(path, allow_pickle=False) as archive:
        table, bits = archive[f"{label}/table"], archive[f"{label}/bits"].tobytes()
    pieces, start = list[Piece](), 0
    for tile_row, tile_col, number, row, col, height, width, class_id, score in table.tolist():
        stop = start + -(-height * width // 8)
        window = Window(row, col, height, width)
        pieces.append(Piece((tile_row, tile_col), number, window, bits[start:stop], class_id, score))
        start = stop
    return pieces
