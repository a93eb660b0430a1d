"""Lattices: the endless pixel grid of a CRS, on which windows of different jobs meet exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass

from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from geo.errors import StackRefused

TOLERANCE_PX = 0.01
"""Grids whose pixels are off by less than this are the same grid."""


@dataclass(frozen=True)
class Lattice:
    """North-up pixels over a whole CRS; pixel (row, col) spans x = (col + phase_x) * res_x and so on.

    Attributes:
        crs: of the coordinates.
        res_x, res_y: pixel size in units of the CRS, both positive.
        phase_x, phase_y: where pixel edges lie, as a share of a pixel, 0 <= phase < 1.
    """

    crs: CRS
    res_x: float
    res_y: float
    phase_x: float = 0.0
    phase_y: float = 0.0

    def geobox(self, row: int, col: int, height: int, width: int) -> GeoBox:
        """Return a window as a geobox. The same window has the same numbers, whoever asks."""
        x = _rounded((col + self.phase_x) * self.res_x, self.res_x)
        y = _rounded(-(row + self.phase_y) * self.res_y, self.res_y)
        return GeoBox((height, width), Affine(self.res_x, 0.0, x, 0.0, -self.res_y, y), self.crs)

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """Return the (row, col) of a point, fractional; whole numbers are upper left corners of pixels."""
        return -y / self.res_y - self.phase_y, x / self.res_x - self.phase_x

    def place(self, geobox: GeoBox) -> tuple[int, int] | None:
        """Return the (row, col) of a geobox's first pixel, or None where its pixels are not this lattice's."""
        a, b, c, d, e, f = tuple(geobox.affine)[:6]
        rows, cols = geobox.shape
        if b or d or a <= 0 or e >= 0 or geobox.crs != self.crs:
            return None
        drift = max(abs(a / self.res_x - 1) * cols, abs(-e / self.res_y - 1) * rows)
        row, col = self.pixel(c, f)
        off = max(abs(row - round(row)), abs(col - round(col)))
        return (round(row), round(col)) if max(drift, off) < TOLERANCE_PX else None


def crs_of(geobox: GeoBox) -> CRS:
    """Return a grid's CRS.

    Raises:
        StackRefused: it has none.
    """
    if geobox.crs is None:
        raise StackRefused("a grid without CRS has no place on the earth: give the scene a CRS")
    return geobox.crs


def lattice_of(geobox: GeoBox) -> Lattice:
    """Return the lattice that a geobox's pixels belong to.

    Raises:
        StackRefused: the grid has no CRS, or is rotated.
    """
    a, b, c, d, e, f = tuple(geobox.affine)[:6]
    if b or d:
        raise StackRefused("the grid is rotated; expected a north-up grid: warp the scene first")
    res_x, res_y = abs(a), abs(e)
    return Lattice(crs_of(geobox), res_x, res_y, _phase(c / res_x), _phase(-f / res_y))


def _phase(position: float) -> float:
    return round(position - math.floor(position), 8) % 1.0


def _rounded(coordinate: float, res: float) -> float:
    """Round to a millionth of a pixel or so: 500040.5, not 500040.50000003."""
    return round(coordinate, 6 - math.floor(math.log10(res)))
