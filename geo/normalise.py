"""Rewriting any accepted image as uint16 reflectance and a clear mask, on a north-up grid, window by window."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from geo.blocks import cut_blocks
from geo.errors import SceneRejected
from geo.radiometry import Scaling, find_valid
from geo.raster import is_north_up, nodata_values, read_mask, read_pixels, read_windows
from geo.scene import REFLECTANCE_NODATA, REFLECTANCE_SCALE
from geo.udm import UsableMask

_TILE_PX = 512


@dataclass(frozen=True)
class Counts:
    """Pixels of an image: all, with data, and clear."""

    total: int
    valid: int
    clear: int


@dataclass(frozen=True)
class Plain:
    """Two plain rasters on one grid, as `normalise` leaves them; reflectance has its roles as descriptions."""

    reflectance: Path
    clear: Path


def normalise(
    image: rasterio.DatasetReader,
    roles: tuple[str, ...],
    numbers: tuple[int, ...],
    scaling: Scaling,
    mask: UsableMask | None,
    into: Plain,
) -> Counts:
    """Write reflectance and clear on the image's own grid.

    Args:
        image: an open, checked raster.
        roles: roles of the bands that are kept.
        numbers: their numbers in the image.
        scaling: from the image's numbers to reflectance.
        mask: which pixels are usable; None = those with data.
        into: files to write.

    Raises:
        SceneRejected: the pixels are damaged, or none holds data.
    """
    valid_px = clear_px = 0
    nodata = nodata_values(image, numbers)
    grid = {"width": image.width, "height": image.height, "crs": image.crs, "transform": image.transform}
    with _create(into.reflectance, roles, grid) as reflectance, _create(into.clear, None, grid) as clear:
        for window in read_windows(image, len(numbers)):
            values = read_pixels(image, numbers, window)
            valid = find_valid(values, nodata, read_mask(image, window, numbers))
            usable = valid if mask is None else valid & mask.read(window)
            reflectance.write(scaling.apply(values, valid), window=window)
            clear.write(usable.view(np.uint8), 1, window=window)
            valid_px += int(np.count_nonzero(valid))
            clear_px += int(np.count_nonzero(usable))
    if valid_px == 0:
        raise SceneRejected(
            f"{Path(image.name).name} holds no data: every pixel is nodata, transparent, NaN, or 0 in all bands"
        )
    return Counts(image.width * image.height, valid_px, clear_px)


def make_north_up(plain: Plain, into: Plain) -> Plain:
    """Warp rotated or flipped rasters to north-up pixels of the same size in the same CRS, by nearest neighbour.

    Flips and quarter turns keep every pixel as it is. Returns `plain` where there is nothing to do.

    Raises:
        SceneRejected: the grid is so skewed that upright pixels would be many times as many.
    """
    with rasterio.open(plain.reflectance) as dataset:
        if is_north_up(dataset.transform):
            return plain
        transform, height, width = north_up_grid(dataset.transform, dataset.height, dataset.width)
        if height * width > 4 * dataset.height * dataset.width + _TILE_PX**2:
            raise SceneRejected(
                f"the image's grid is skewed ({tuple(dataset.transform)[:6]}): upright it would have "
                f"{width} x {height} pixels; check its geotransform, or warp it with `gdalwarp`"
            )
    for source, target in ((plain.reflectance, into.reflectance), (plain.clear, into.clear)):
        _warp(source, target, {"transform": transform, "height": height, "width": width})
    return into


def north_up_grid(transform: Affine, height: int, width: int) -> tuple[Affine, int, int]:
    """Return transform, height and width of the upright grid around another one, with pixels of the same size."""
    corners = [transform * corner for corner in ((0, 0), (width, 0), (0, height), (width, height))]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    # A pixel that lies more on its side than not gives its height as the upright pixel's width.
    res_x, res_y = math.hypot(transform.a, transform.d), math.hypot(transform.b, transform.e)
    if abs(transform.d) > abs(transform.a):
        res_x, res_y = res_y, res_x
    cols, rows = ((max(v) - min(v)) / res for v, res in ((xs, res_x), (ys, res_y)))
    return Affine(res_x, 0, min(xs), 0, -res_y, max(ys)), _ceil(rows), _ceil(cols)


def _warp(source: Path, target: Path, grid: dict[str, Any]) -> None:
    with rasterio.open(source) as dataset:
        options = {
            "crs": dataset.crs,
            "resampling": Resampling.nearest,
            "tolerance": 1e-6,
            "nodata": 0,
            "src_nodata": 0,
        }
        roles = dataset.descriptions if dataset.dtypes[0] == "uint16" else None
        with (
            WarpedVRT(dataset, warp_mem_limit=64, **options, **grid) as upright,
            _create(target, roles, {**grid, "crs": dataset.crs}) as out,
        ):
            for block in cut_blocks((grid["height"], grid["width"]), _TILE_PX * 4):
                window = rasterio.windows.Window(block.col, block.row, block.width, block.height)
                out.write(upright.read(window=window), window=window)


@contextmanager
def _create(path: Path, roles: tuple[str | None, ...] | None, grid: dict[str, Any]) -> Iterator[Any]:
    """Open a new reflectance raster, or a clear mask where there are no roles."""
    kind = {"dtype": "uint16", "nodata": REFLECTANCE_NODATA} if roles else {"dtype": "uint8"}
    count = len(roles) if roles else 1
    tiles = {"tiled": True, "blockxsize": _TILE_PX, "blockysize": _TILE_PX, "BIGTIFF": "IF_SAFER"}
    with rasterio.open(path, "w", driver="GTiff", count=count, **kind, **grid, **tiles) as dataset:
        dataset.descriptions = roles or ("clear",)
        if roles:
            dataset.scales, dataset.offsets = (REFLECTANCE_SCALE,) * count, (0.0,) * count
        yield dataset


def _ceil(size: float) -> int:
    # 37.0000000001 pixels are 37.
    return max(1, math.ceil(size - 1e-6))
