"""Map tiles (WebMercatorQuad, PNG) of rasters that we wrote ourselves, read by rio-tiler; GDAL's GTiff driver alone.

rio-tiler is imported at the top, with this module: its modules import each other, and two threads that import
different ones at the same moment get halves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.transform import from_bounds
from rio_tiler.errors import RioTilerError, TileOutsideBounds
from rio_tiler.io import Reader
from rio_tiler.utils import get_overview_level, render

from geo.errors import RasterUnreadable, TileUnknown
from geo.painting import Paint, paint_grey, paint_light, paint_table
from geo.scene import REFLECTANCE_SCALE

TILE_PX = 256
MAX_ZOOM = 24
MATRIX_SET = "WebMercatorQuad"
CACHE_BYTES = 64 * 2**20
"""GDAL's block cache of a process that draws tiles."""


@dataclass(frozen=True)
class Tile:
    """Address of a tile: zoom, column from the west, row from the north.

    Raises:
        TileUnknown: the matrix of that zoom has no such column or row.
    """

    z: int
    x: int
    y: int

    def __post_init__(self) -> None:
        if not 0 <= self.z <= MAX_ZOOM:
            raise TileUnknown(f"expected a zoom of 0 to {MAX_ZOOM}; got {self.z}")
        last = 2**self.z - 1
        if not (0 <= self.x <= last and 0 <= self.y <= last):
            raise TileUnknown(f"zoom {self.z} has columns and rows 0 to {last}; got x={self.x}, y={self.y}")


@dataclass(frozen=True)
class Extent:
    """Where a layer lies.

    Attributes:
        bounds: west, south, east, north in degrees, within what Web Mercator shows; west > east where it crosses the
            antimeridian.
        min_zoom: at which the layer is about as large as a tile.
        max_zoom: from which on every pixel is seen.
    """

    bounds: tuple[float, float, float, float]
    min_zoom: int
    max_zoom: int


def scene_tile(path: str, tile: Tile, bands: Sequence[int], limits: Sequence[tuple[float, float]]) -> bytes:
    """Draw a tile of a scene's reflectance; transparent where it has no data.

    Args:
        path: that GDAL opens.
        tile: its address.
        bands: numbers of the bands that are shown as red, green and blue, or of one that is shown in grey.
        limits: reflectance of black and of white, for each band.
    """
    with _reading(path, tile) as reader:
        found = _pixels(reader, tile, bands, "bilinear")
        if found is None:
            return empty_tile()
        values, mask = found
        return _png(paint_light(values.astype(np.float32) * np.float32(REFLECTANCE_SCALE), limits), mask)


def product_tile(path: str, tile: Tile, paint: Paint | None = None) -> bytes:
    """Draw a tile of a job's raster, each pixel that of the raster's nearest; transparent where it has no data.

    Args:
        path: that GDAL opens.
        tile: its address.
        paint: gives the colours; by default the raster's own colour table.
    """
    with _reading(path, tile) as reader:
        found = _pixels(reader, tile, [1], "nearest")
        if found is None:
            return empty_tile()
        values, mask = found
        paint = paint or (paint_table(reader.colormap) if reader.colormap else paint_grey)
        return _png(paint(values[0]), mask)


def layer_extent(path: str) -> Extent:
    """Tell where a raster lies, and at which zooms it is worth looking at."""
    with _reading(path) as reader:
        west, south, east, north = reader.get_geographic_bounds(CRS.from_epsg(4326))
        top = 85.051128
        bounds = (west, max(south, -top), east, min(north, top))
        return Extent(bounds, int(reader.minzoom), min(int(reader.maxzoom) + 1, MAX_ZOOM))


@cache
def empty_tile() -> bytes:
    """Return a tile of nothing: what lies outside of a layer is transparent, for that is what every map understands."""
    return _png(np.zeros((1, TILE_PX, TILE_PX), np.uint8), np.zeros((TILE_PX, TILE_PX), np.uint8))


@contextmanager
def _reading(path: str, tile: Tile | None = None) -> Iterator[Reader]:
    """Open a raster, or that overview of it which is just finer than a tile."""
    options: dict[str, Any] = {
        "GDAL_CACHEMAX": CACHE_BYTES,
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        "GDAL_PAM_ENABLED": False,
    }
    try:
        with rasterio.Env(**options), ExitStack() as stack:
            dataset = stack.enter_context(rasterio.open(path, driver="GTiff", sharing=False))
            level = get_overview_level(dataset, _bounds(tile), TILE_PX, TILE_PX) if tile is not None else -1
            if level >= 0:
                coarser = rasterio.open(path, driver="GTiff", sharing=False, overview_level=level)
                dataset = stack.enter_context(coarser)
            yield stack.enter_context(Reader(None, dataset=dataset))
    except (RasterioError, CPLE_BaseError, RioTilerError) as err:
        raise RasterUnreadable(f"a raster of the store cannot be read: {type(err).__name__}") from err


def _pixels(
    reader: Reader, tile: Tile, bands: Sequence[int], resampling: str
) -> tuple[NDArray[np.generic], NDArray[np.uint8]] | None:
    """Return values and mask (255 = data) of a tile, or None where the raster has nothing there.

    It is warped right onto the tile's pixels. Left alone, rio-tiler warps to the raster's own resolution and thins that
    out: of the whole earth, for zoom 0. Where even the coarsest overview is much finer than the tile, bilinear looks at
    as many pixels again for each, and what it shows is smaller than a tile anyway.
    """
    if tile.z < reader.minzoom:
        resampling = "nearest"
    transform = from_bounds(*_bounds(tile), TILE_PX, TILE_PX)
    options: dict[str, Any] = {
        "resampling_method": resampling,
        "reproject_method": resampling,
        "vrt_options": {"transform": transform, "width": TILE_PX, "height": TILE_PX},
    }
    try:
        image = reader.tile(tile.x, tile.y, tile.z, tilesize=TILE_PX, indexes=tuple(bands), **options)
    except TileOutsideBounds:
        return None
    mask = np.asarray(image.mask, np.uint8)
    return (np.asarray(image.array.data), mask) if mask.any() else None


def _bounds(tile: Tile) -> tuple[float, float, float, float]:
    """Return west, south, east, north of a tile in EPSG:3857."""
    edge = math.pi * 6_378_137
    side = 2 * edge / 2**tile.z
    west, north = tile.x * side - edge, edge - tile.y * side
    return west, north - side, west + side, north


def _png(light: NDArray[np.uint8], mask: NDArray[np.uint8]) -> bytes:
    return bytes(render(light, mask, img_format="PNG", ZLEVEL=6))
