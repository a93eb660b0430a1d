"""Reading a date: several scenes onto one grid, window by window, clear pixels first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError
from rasterio.windows import Window as RasterWindow

from geo.blocks import Window
from geo.cog import CACHE_BYTES
from geo.errors import StackRefused
from geo.lattice import Lattice, lattice_of
from geo.scene import REFLECTANCE_SCALE, Scene
from geo.warp import bilinear, nearest, scene_coordinates, scene_window

STRIP_PX = 128

Pixels = tuple[NDArray[np.float32], NDArray[np.bool_]]


def gdal_env() -> AbstractContextManager[Any]:
    """Return the GDAL settings for streaming: a small block cache, no listing of folders beside a file.

    The cache is one for the whole process, and rasterio sets it back when an environment ends, whichever thread it was
    of: so the one who starts the work enters this once, in the thread that outlives the others; readers do not.
    """
    env: AbstractContextManager[Any] = rasterio.Env(
        GDAL_CACHEMAX=CACHE_BYTES, GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", VSI_CACHE=False
    )
    return env


def data_window(scenes: Iterable[Scene], geobox: GeoBox) -> Window | None:
    """Return the smallest window of a grid, counted from its first pixel, beyond which no scene has data."""
    lattice = lattice_of(geobox)
    origin_row, origin_col = (round(v) for v in lattice.pixel(geobox.affine.c, geobox.affine.f))
    extents = [extent for scene in scenes if (extent := _extent(scene, lattice)) is not None]
    if not extents:
        return None
    row, col = min(extent.row for extent in extents), min(extent.col for extent in extents)
    bottom = max(extent.row + extent.height for extent in extents)
    right = max(extent.col + extent.width for extent in extents)
    return Window(row - origin_row, col - origin_col, bottom - row, right - col)


def _extent(scene: Scene, lattice: Lattice) -> Window | None:
    place = lattice.place(scene.geobox)
    if place is None:
        return scene_window(lattice, scene.geobox)
    rows, cols = scene.geobox.shape
    return Window(*place, rows, cols)


class DateReader:
    """Reads the scenes of one date onto the lattice of a grid.

    A pixel's value depends on the scenes and the lattice alone: not on the window it is read in, nor on the grid's
    extent. Scenes on the same lattice are read as they are; others are interpolated: reflectance between the four
    nearest pixels with data, `clear` from the nearest. Where scenes overlap, the first that is clear wins, then the
    first with data. Files are open only while `read` runs; see `gdal_env` for bounded memory.
    """

    def __init__(self, scenes: Sequence[Scene], geobox: GeoBox, bands: Sequence[str]) -> None:
        """Prepare to read.

        Args:
            scenes: of one date, best first.
            geobox: north-up grid; windows count from its upper left pixel and may leave it.
            bands: roles to read, in this order.

        Raises:
            StackRefused: a scene lacks one of the bands, or its grid is rotated or has no CRS.
        """
        lattice = lattice_of(geobox)
        row, col = lattice.pixel(geobox.affine.c, geobox.affine.f)
        self._lattice = lattice
        self._origin = round(row), round(col)
        self._count = len(bands)
        self._sources = [_Source(scene, lattice, bands) for scene in scenes]

    def read(self, window: Window) -> Pixels:
        """Read one window.

        Returns:
            reflectance (C, H, W) float32, 0 where there is no data; clear (H, W), False where there is no data.

        Raises:
            StackRefused: a scene's file cannot be read.
        """
        placed = Window(self._origin[0] + window.row, self._origin[1] + window.col, window.height, window.width)
        shape = (window.height, window.width)
        reflectance = np.zeros((self._count, *shape), np.float32)
        clear = np.zeros(shape, bool)
        hit = [(source, part) for source in self._sources if (part := source.overlap(placed)) is not None]
        filled = np.zeros(shape, bool) if len(hit) > 1 else None
        for number, (source, part) in enumerate(hit):
            at = part.within(placed)
            if number and clear[at].all():
                continue
            values, usable = source.read(part, None if filled is not None else reflectance[:, *at])
            if filled is None:
                clear[at] = usable
            else:
                _merge((values, usable), reflectance[:, *at], clear[at], filled[at])
        return reflectance, clear


class _Source:
    """One scene, as seen from a lattice."""

    def __init__(self, scene: Scene, lattice: Lattice, bands: Sequence[str]) -> None:
        missing = [band for band in bands if band not in scene.bands]
        if missing:
            raise StackRefused(
                f"scene {scene.id} has the bands {', '.join(scene.bands)}; {', '.join(missing)} needed too: "
                "use another scene, or tell its bands"
            )
        self._scene = scene
        self._lattice = lattice
        self._indexes = [scene.bands.index(band) + 1 for band in bands]
        self._place = lattice.place(scene.geobox)
        self._extent = _extent(scene, lattice)

    def overlap(self, window: Window) -> Window | None:
        """Return the part of a window, in the lattice's pixels, where this scene may have data."""
        return None if self._extent is None else window & self._extent

    def read(self, part: Window, out: NDArray[np.float32] | None = None) -> Pixels:
        """Read a window that `overlap` returned; the reflectance goes into `out`, where that is given."""
        try:
            if self._place is not None:
                inner = Window(part.row - self._place[0], part.col - self._place[1], part.height, part.width)
                raw, clear = self._raw(inner)
                return np.multiply(raw, np.float32(REFLECTANCE_SCALE), out=out, dtype=np.float32), clear
            values, clear = self._warped(part)
            if out is not None:
                out[...] = values
            return values, clear
        except RasterioError as err:
            raise StackRefused(f"scene {self._scene.id} cannot be read: {err}") from err

    def _raw(self, inner: Window) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
        window = RasterWindow(inner.col, inner.row, inner.width, inner.height)
        with rasterio.open(self._scene.reflectance, driver="GTiff") as dataset:
            raw = dataset.read(self._indexes, window=window)
        with rasterio.open(self._scene.clear, driver="GTiff") as dataset:
            clear = dataset.read(1, window=window) == 1
        return raw, clear

    def _warped(self, part: Window) -> Pixels:
        values = np.zeros((len(self._indexes), part.height, part.width), np.float32)
        clear = np.zeros((part.height, part.width), bool)
        for start in range(0, part.height, STRIP_PX):
            size = min(STRIP_PX, part.height - start)
            rows, cols = scene_coordinates(
                self._lattice, part.row + start, part.col, (size, part.width), self._scene.geobox
            )
            inner = _around(rows, cols, self._scene.geobox.shape)
            if inner is None:
                continue
            raw, usable = self._raw(inner)
            rows, cols = rows - inner.row, cols - inner.col
            values[:, start : start + size], data = bilinear(raw, np.asarray(raw.any(axis=0)), rows, cols)
            clear[start : start + size] = nearest(usable, rows, cols) & data
        values *= np.float32(REFLECTANCE_SCALE)
        return values, clear


def _around(rows: NDArray[np.float64], cols: NDArray[np.float64], shape: Sequence[int]) -> Window | None:
    """Return the smallest window of a scene that holds all neighbours of some positions; None where there are none."""
    known = np.isfinite(rows) & np.isfinite(cols)
    known &= (rows > -1) & (rows < shape[0]) & (cols > -1) & (cols < shape[1])
    if not known.any():
        return None
    top, left = max(int(np.floor(rows[known].min())), 0), max(int(np.floor(cols[known].min())), 0)
    bottom = min(int(np.floor(rows[known].max())) + 2, shape[0])
    right = min(int(np.floor(cols[known].max())) + 2, shape[1])
    return Window(top, left, bottom - top, right - left)


def _merge(
    found: Pixels, reflectance: NDArray[np.float32], clear: NDArray[np.bool_], filled: NDArray[np.bool_]
) -> None:
    """Fill, in place, what this scene has better: clear where nothing clear is yet, data where there is none yet."""
    values, usable = found
    data = values.any(axis=0)
    take = (usable & ~clear) | (data & ~filled & ~clear)
    np.copyto(reflectance, values, where=take)
    clear |= usable
    filled |= data
