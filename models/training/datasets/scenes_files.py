"""Finding one's own scenes and where they lie."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from os.path import commonpath
from pathlib import Path

import numpy as np
import pyproj
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geo.grid import true_res_m
from geo.lattice import crs_of
from models.errors import DataRefused
from models.training.datasets.pairs import shorten
from models.training.datasets.rasters import band_numbers, opened, read_header
from models.training.scenes_config import ScenesConfig

GEOTIFF = (".tif", ".tiff")
WGS84 = "OGC:CRS84"


@dataclass(frozen=True)
class OwnScene:
    """A scene that can be learned from.

    Attributes:
        name: of the file, under the folder that holds all scenes.
        numbers: of its bands, in the order of the network's.
        geobox: its grid, of any rotation.
    """

    name: str
    path: Path
    numbers: tuple[int, ...]
    geobox: GeoBox

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        rows, cols = self.geobox.shape
        return int(rows), int(cols)

    @property
    def res_m(self) -> float:
        """Pixel size on the ground."""
        return true_res_m(self.geobox)

    def lonlat(self, row: int, col: int, height: int, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Longitude and latitude of the centres of a window's pixels, (height, width) each."""
        cols, rows = np.meshgrid(np.arange(col, col + width) + 0.5, np.arange(row, row + height) + 0.5)
        a = self.geobox.affine
        lon, lat = to_wgs84(crs_of(self.geobox).to_wkt()).transform(
            a.a * cols + a.b * rows + a.c, a.d * cols + a.e * rows + a.f
        )
        return np.asarray(lon), np.asarray(lat)

    def bounds_text(self) -> str:
        """Tell where the scene lies, for an error."""
        rows, cols = self.shape
        corners = [self.lonlat(row, col, 1, 1) for row in (0, rows - 1) for col in (0, cols - 1)]
        return degrees_text(*(np.ravel(axis) for axis in zip(*corners, strict=True)))


@lru_cache(maxsize=64)
def to_wgs84(crs: str) -> pyproj.Transformer:
    """Return the way from a CRS to longitude and latitude."""
    return pyproj.Transformer.from_crs(crs, WGS84, always_xy=True)


def degrees_text(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> str:
    """Tell the extent of places in degrees."""
    return f"longitude {lon.min():.4f}..{lon.max():.4f}, latitude {lat.min():.4f}..{lat.max():.4f}"


def matching_files(pattern: str, suffixes: tuple[str, ...]) -> list[Path]:
    """Return the files that a path, a folder or a pattern means, in the order of their names."""
    path = Path(pattern).expanduser()
    if path.is_dir():
        return sorted(one for one in path.iterdir() if one.suffix.lower() in suffixes and one.is_file())
    if path.is_file():
        return [path]
    fixed = next((i for i, part in enumerate(path.parts) if any(sign in part for sign in "*?[")), len(path.parts))
    rest = path.parts[fixed:]
    return sorted(one for one in Path(*path.parts[:fixed]).glob(str(Path(*rest))) if one.is_file()) if rest else []


def find_scenes(config: ScenesConfig, labels: Collection[Path]) -> list[OwnScene]:
    """Find the scenes; label files among them are none.

    Raises:
        DataRefused: there is none, or one has no place on the earth, or lacks a band.
    """
    if not config.scenes:
        raise DataRefused("no scenes: give --scenes with a folder of GeoTIFFs or a pattern in quotes, or [data] scenes")
    known = {path.resolve() for path in labels}
    files = [path for path in matching_files(config.scenes, GEOTIFF) if path.resolve() not in known]
    if not files:
        raise DataRefused(f"--scenes {config.scenes}: expected a folder of .tif files, or a pattern; no file matches")
    root = Path(commonpath([path.parent for path in files]))
    return [_opened(path.relative_to(root).as_posix(), path, config) for path in files]


def _opened(name: str, path: Path, config: ScenesConfig) -> OwnScene:
    header = read_header(path)
    if not header.crs:
        raise DataRefused(
            f"{name}: a scene needs a place on the earth, and has no CRS; give it one (`gdal_edit.py -a_srs "
            'EPSG:... -a_ullr ...`), or use [data] kind = "folder" for pictures that lie nowhere'
        )
    numbers = band_numbers(header, config.bands)
    if isinstance(numbers, str):
        raise DataRefused(f"{name} {numbers}; number the bands, as in data.bands = {{blue = 1, green = 2, ...}}")
    with opened(path) as dataset:
        return OwnScene(name, path, numbers, GeoBox(header.shape, dataset.transform, str(dataset.crs)))


def name_some(scenes: Collection[OwnScene]) -> str:
    """Name a few of many scenes."""
    return shorten([one.name for one in scenes])
