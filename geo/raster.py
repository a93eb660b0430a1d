"""Opening rasters that strangers sent: one driver, no side files, no network, checks before any pixel is read."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import ProjError

# GDAL's own errors reach the caller from header reads; rasterio has no public name for them.
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from geo.errors import SceneRejected
from geo.signature import require_tiff

MAX_PX = 500_000_000
MIN_SIDE_PX = 16
MAX_BLOCK_BYTES = 256 * 2**20
MAX_INFLATION = 2_000
READ_BYTES = 64 * 2**20
DTYPES = ("uint8", "uint16", "int16", "uint32", "int32", "float32", "float64")

ENVIRONMENT = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_GEOREF_SOURCES": "INTERNAL",
    "GDAL_CACHEMAX": 64 * 2**20,
}
"""GDAL's settings while a stranger's file is open: no sidecars read or written, a small block cache."""

# A library stays silent unless its application asks for its log.
logging.getLogger("rasterio").addHandler(logging.NullHandler())


@contextmanager
def open_raster(path: Path, *, max_px: int = MAX_PX) -> Iterator[rasterio.DatasetReader]:
    """Open a GeoTIFF that nobody vouches for.

    Only GDAL's GeoTIFF driver sees the file, so that no other format, however it is named, can lead to
    another file or host. The header is checked before any pixel is read or any memory is set aside for pixels.

    Args:
        path: a local file.
        max_px: largest width x height.

    Raises:
        SceneRejected: the file is not a GeoTIFF, is damaged, lies about its size, or lacks what a scene needs:
            a plain number type, a coordinate system, a place on the earth, at least 16 x 16 pixels.
    """
    path = path.absolute()
    require_tiff(path)
    with rasterio.Env(**ENVIRONMENT):
        with refuse_read_errors(path):
            dataset = _open_checked(path, max_px)
        with dataset:
            yield dataset


@contextmanager
def refuse_read_errors(path: Path) -> Iterator[None]:
    """Turn what rasterio and GDAL raise on a damaged file into SceneRejected."""
    try:
        yield
    except (RasterioError, CPLE_BaseError) as err:
        raise SceneRejected(
            f"{path.name} is damaged or cut short ({_reason(err)}); "
            "check it with `gdalinfo -checksum`, then send the whole file again"
        ) from err
    # A hostile header reaches rasterio's own conversions as values they do not expect.
    except (ValueError, OverflowError, MemoryError, UnicodeError, KeyError, IndexError, TypeError) as err:
        raise SceneRejected(
            f"{path.name} has a header that makes no sense ({_reason(err)}); write the file anew"
        ) from err


def read_windows(dataset: rasterio.DatasetReader, bands: int) -> Iterator[Window]:
    """Cut a raster into windows that follow its blocks and hold about 64 MiB over `bands` bands.

    Memory then depends neither on the raster's height nor on its width.
    """
    block_rows, block_cols = dataset.block_shapes[0]
    item = max(np.dtype(dtype).itemsize for dtype in dataset.dtypes)
    budget_px = READ_BYTES // (bands * max(item, 4))
    cols = dataset.width
    if block_rows * cols > budget_px:
        cols = min(cols, block_cols * max(1, budget_px // (block_rows * block_cols)))
    rows = block_rows * max(1, min(budget_px // (block_rows * cols), math.ceil(512 / block_rows)))
    for row in range(0, dataset.height, rows):
        for col in range(0, dataset.width, cols):
            yield Window(col, row, min(cols, dataset.width - col), min(rows, dataset.height - row))


def read_pixels(dataset: rasterio.DatasetReader, bands: tuple[int, ...], window: Window) -> NDArray[Any]:
    """Read bands of a window, (B, H, W), in the file's own numbers.

    Raises:
        SceneRejected: the pixels are damaged or missing.
    """
    with refuse_read_errors(Path(dataset.name)):
        pixels: NDArray[Any] = dataset.read(bands, window=window)
        return pixels


def read_mask(dataset: rasterio.DatasetReader, window: Window, bands: tuple[int, ...]) -> NDArray[np.bool_]:
    """Read what the file's alpha band or internal mask says: True = there is data, (H, W).

    An alpha band that is among `bands` counts as data: files with a mislabelled fourth band are common.
    """
    valid = np.ones((int(window.height), int(window.width)), dtype=bool)
    with refuse_read_errors(Path(dataset.name)):
        for number in alpha_bands(dataset):
            if number not in bands:
                valid &= dataset.read(number, window=window) > 0
        flags = dataset.mask_flag_enums[0]
        if MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags:
            valid &= dataset.read_masks(1, window=window) > 0
    return valid


def alpha_bands(dataset: rasterio.DatasetReader) -> tuple[int, ...]:
    """Numbers of the bands that the file calls alpha."""
    return tuple(n for n, meaning in enumerate(dataset.colorinterp, start=1) if meaning == ColorInterp.alpha)


def nodata_values(dataset: rasterio.DatasetReader, bands: tuple[int, ...]) -> tuple[float | None, ...]:
    """Return what the file declares as nodata for each of some bands."""
    with refuse_read_errors(Path(dataset.name)):
        return tuple(dataset.nodatavals[number - 1] for number in bands)


def is_north_up(transform: Affine) -> bool:
    """Tell whether columns run east and rows run south, with no rotation."""
    return bool(transform.b == 0 and transform.d == 0 and transform.a > 0 and transform.e < 0)


def _open_checked(path: Path, max_px: int) -> rasterio.DatasetReader:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        dataset = rasterio.open(path, driver="GTiff")
        try:
            _check_size(dataset, path, max_px)
            _check_type(dataset, path)
            _check_place(dataset, path)
            _touch_header(dataset)
        except BaseException:
            dataset.close()
            raise
    return dataset


def _check_size(dataset: rasterio.DatasetReader, path: Path, max_px: int) -> None:
    width, height, count = dataset.width, dataset.height, dataset.count
    size = f"{width} x {height} pixels"
    if width * height > max_px:
        raise SceneRejected(
            f"{path.name} declares {size}, more than the limit of {max_px:,}; cut it into smaller scenes"
        )
    if min(width, height) < MIN_SIDE_PX:
        raise SceneRejected(f"{path.name} has {size}; a scene needs at least {MIN_SIDE_PX} x {MIN_SIDE_PX}")
    item = max(np.dtype(dtype.replace("complex_int16", "complex64")).itemsize for dtype in dataset.dtypes)
    declared, held = width * height * count * item, path.stat().st_size
    if declared > max(64 * 2**20, held * MAX_INFLATION):
        raise SceneRejected(
            f"{path.name} declares {declared:,} bytes of pixels but holds {held:,}; it is damaged or empty"
        )
    block = math.prod(dataset.block_shapes[0]) * item * (count if _is_pixel_interleaved(dataset) else 1)
    if block > MAX_BLOCK_BYTES:
        raise SceneRejected(
            f"{path.name} is stored in pieces of {block / 2**20:,.0f} MiB; "
            "rewrite it in tiles with `gdal_translate -co TILED=YES`"
        )


def _check_type(dataset: rasterio.DatasetReader, path: Path) -> None:
    for number, dtype in enumerate(dataset.dtypes, start=1):
        bits = dataset.tags(number, ns="IMAGE_STRUCTURE").get("NBITS")
        kind = dtype
        if bits is not None and not (dtype == "float32" and bits == "16"):
            kind = f"{bits}-bit"
        if kind not in DTYPES:
            raise SceneRejected(
                f"{path.name}: band {number} is of type {kind}; expected {', '.join(DTYPES)}; "
                "convert it with `gdal_translate -ot UInt16`"
            )


def _check_place(dataset: rasterio.DatasetReader, path: Path) -> None:
    transform = dataset.transform
    if transform.is_identity and (dataset.gcps[0] or dataset.rpcs is not None):
        raise SceneRejected(
            f"{path.name} is placed by ground control points or RPCs only; "
            "orthorectify it first (`gdalwarp`, or order Planet's 3B product)"
        )
    if not dataset.crs:
        raise SceneRejected(f"{path.name} has no coordinate system; add it with `gdal_edit.py -a_srs EPSG:...`")
    if not (dataset.crs.is_geographic or dataset.crs.is_projected):
        raise SceneRejected(f"{path.name} has a local coordinate system; expected a geographic or projected one")
    try:
        CRS.from_wkt(dataset.crs.to_wkt())
    except ProjError as err:
        raise SceneRejected(f"{path.name} has a coordinate system that PROJ cannot read ({err}); set it anew") from err
    if transform.is_identity:
        raise SceneRejected(f"{path.name} has no geotransform; add it with `gdal_edit.py -a_ullr ...`")
    if not _is_usable(transform, dataset.width, dataset.height):
        raise SceneRejected(f"{path.name} has an unusable geotransform {tuple(transform)[:6]}; write it anew")


def _is_usable(transform: Affine, width: int, height: int) -> bool:
    """Tell whether neighbouring pixels have different, finite places, nowhere near the limits of float64."""
    if not all(map(math.isfinite, transform)):
        return False
    reach = max(abs(v) for corner in ((0, 0), (width, 0), (0, height), (width, height)) for v in transform * corner)
    sides = math.hypot(transform.a, transform.d), math.hypot(transform.b, transform.e)
    upright = abs(transform.determinant) > 1e-3 * sides[0] * sides[1]
    return reach < 1e9 and min(sides) > 1e-12 * max(reach, 1) and upright


def _touch_header(dataset: rasterio.DatasetReader) -> None:
    """Read every header value that is used later, while errors still count as the file's."""
    _ = dataset.tags(), dataset.descriptions, dataset.colorinterp, dataset.nodatavals
    _ = dataset.scales, dataset.offsets, dataset.mask_flag_enums


def _reason(err: BaseException) -> str:
    # rasterio hides GDAL's own words behind "Read failed. See previous exception for details."
    cause = err.__cause__ or err
    return " ".join(str(cause).split())[:200] or type(err).__name__


def _is_pixel_interleaved(dataset: rasterio.DatasetReader) -> bool:
    return bool(dataset.tags(ns="IMAGE_STRUCTURE").get("INTERLEAVE") == "PIXEL")
