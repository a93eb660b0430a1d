"""Reading images and masks of a training set from raster files: GeoTIFF, or PNG and JPEG that lie nowhere."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from geo.bands import named_roles, roles_from_descriptions
from geo.raster import ENVIRONMENT, nodata_values, read_mask
from models.errors import DataRefused

DRIVERS = {".tif": "GTiff", ".tiff": "GTiff", ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}


@dataclass(frozen=True)
class Header:
    """What a raster says of itself.

    Attributes:
        shape: (height, width).
        count: number of bands.
        descriptions: of the bands; "" where there is none.
        grid: CRS and transform as text; "" where the raster lies nowhere.
        bounds: (west, south, east, north) in `crs`; None where the raster lies nowhere.
        crs: as text.
    """

    shape: tuple[int, int]
    count: int
    descriptions: tuple[str, ...]
    grid: str
    bounds: tuple[float, float, float, float] | None
    crs: str


@contextmanager
def opened(path: Path, page: int = 0) -> Iterator[rasterio.DatasetReader]:
    """Open a raster, or a page of a TIFF of many (from 1); whatever GDAL cannot read in it becomes DataRefused."""
    driver = DRIVERS.get(path.suffix.lower())
    if driver is None:
        raise DataRefused(f"{path}: expected a file named {', '.join(DRIVERS)}; convert it with gdal_translate")
    try:
        with rasterio.Env(**ENVIRONMENT), warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(f"GTIFF_DIR:{page}:{path}" if page else path, driver=driver) as dataset:
                yield dataset
    except RasterioError as err:
        reason = " ".join(str(err.__cause__ or err).split())[:200]
        raise DataRefused(f"{path}: expected an intact {driver} file: {reason}") from err


def count_pages(path: Path) -> int:
    """Count the pages of a TIFF: many where it is a stack of images, else one."""
    with opened(path) as dataset:
        return len(dataset.subdatasets) or 1


def read_header(path: Path, page: int = 0) -> Header:
    """Read what a raster says of itself.

    Raises:
        DataRefused: it is no raster that GDAL can read.
    """
    with opened(path, page) as dataset:
        placed = dataset.crs is not None and not dataset.transform.is_identity
        return Header(
            shape=(dataset.height, dataset.width),
            count=dataset.count,
            descriptions=tuple(name or "" for name in dataset.descriptions),
            grid=f"{dataset.crs} {tuple(round(v, 9) for v in dataset.transform)[:6]}" if placed else "",
            bounds=tuple(dataset.bounds) if placed else None,
            crs=str(dataset.crs) if placed else "",
        )


def band_numbers(header: Header, bands: tuple[str, ...] | Mapping[str, int]) -> tuple[int, ...] | str:
    """Find a raster's band numbers, by role in its descriptions or as told; a text where they are not there."""
    if isinstance(bands, Mapping):
        past = [f"{role} = {number}" for role, number in bands.items() if not 1 <= number <= header.count]
        return f"has {header.count} band(s); {', '.join(past)} is not there" if past else tuple(bands.values())
    roles = roles_from_descriptions(header.descriptions) or named_roles(header.descriptions)
    missing = [role for role in bands if role not in roles]
    if not missing:
        return tuple(roles[role] for role in bands)
    described = ", ".join(name or "-" for name in header.descriptions)
    return f"its bands are described as {described}: none is known to be {', '.join(missing)}"


def read_image(
    path: Path,
    numbers: tuple[int, ...],
    window: tuple[int, int, int, int],
    *,
    scale: float,
    offset: float,
    page: int = 0,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Read (C, H, W) reflectance and (H, W) clear flags of a window (row, col, height, width).

    A pixel is clear where every band is finite and not the file's nodata, and its mask or alpha band says so.
    """
    row, col, height, width = window
    with opened(path, page) as dataset:
        at = Window(col, row, width, height)
        values = dataset.read(numbers, window=at)
        clear = read_mask(dataset, at, numbers)
        for band, nodata in zip(values, nodata_values(dataset, numbers), strict=True):
            clear &= np.isfinite(band)
            if nodata is not None:
                clear &= band != nodata
    reflectance = np.where(clear, values * np.float64(scale) + offset, 0).astype(np.float32)
    return reflectance, clear
