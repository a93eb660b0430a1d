"""Small seeded scenes on disk, as ingest leaves them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

from geo.aoi import parse_aoi
from geo.lattice import crs_of
from geo.scene import Scene

BANDS = ("blue", "green", "red", "nir")


def utm_grid(height: int, width: int, *, x: float = 500_001.5, y: float = 4_500_000.0, res_m: float = 3.0) -> GeoBox:
    """A north-up grid in UTM zone 33 with its upper left corner at (x, y)."""
    return GeoBox((height, width), Affine(res_m, 0, x, 0, -res_m, y), "EPSG:32633")


def outline(geobox: GeoBox) -> BaseGeometry:
    """Footprint of a grid, WGS84, split at the antimeridian."""
    rows, cols = geobox.shape
    to_wgs84 = Transformer.from_crs(crs_of(geobox).to_wkt(), "OGC:CRS84", always_xy=True)
    corners = [(0, 0), (0, rows), (cols, rows), (cols, 0), (0, 0)]
    ring = [to_wgs84.transform(*(geobox.affine * corner)) for corner in corners]
    return parse_aoi({"type": "Polygon", "coordinates": [ring]}).geometry


def landscape(height: int, width: int, seed: int, bands: int = 4) -> NDArray[np.uint16]:
    """Smooth patches with noise, DN 300..6000, (bands, height, width)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    phase = rng.uniform(0, 6, (bands, 1, 1))
    waves = np.sin(x / 17 + phase) * np.cos(y / 23 - phase) + np.sin((x + y) / 9 + 2 * phase)
    values = 2500 + 900 * waves + rng.normal(0, 150, (bands, height, width))
    return np.asarray(np.clip(values, 300, 6000)).astype(np.uint16)


def write_scene(
    folder: Path,
    name: str,
    geobox: GeoBox,
    *,
    acquired: datetime = datetime(2020, 8, 1, 10, 30, tzinfo=UTC),
    satellite: str = "1001",
    values: NDArray[np.uint16] | None = None,
    clear: NDArray[np.bool_] | None = None,
    bands: Sequence[str] = BANDS,
    seed: int = 0,
) -> Scene:
    """Write both rasters of a scene; without `clear`, a few round clouds are cut out."""
    height, width = geobox.shape
    if values is None:
        values = landscape(height, width, seed, len(bands))
    if clear is None:
        clear = ~clouds(height, width, seed)
    clear = clear & values.any(axis=0)
    folder.mkdir(parents=True, exist_ok=True)
    for kind, data in (("reflectance", values), ("clear", clear[None].astype(np.uint8))):
        with rasterio.open(
            folder / f"{name}_{kind}.tif", "w", driver="GTiff", height=height, width=width, count=len(data),
            dtype=data.dtype.name, crs=crs_of(geobox).to_wkt(), transform=geobox.affine, tiled=True, blockxsize=64,
            blockysize=64, compress="deflate", nodata=0 if kind == "reflectance" else None,
        ) as dataset:  # fmt: skip
            dataset.write(data)
    return Scene(
        id=name, acquired=acquired, satellite=satellite, bands=tuple(bands),
        reflectance=str(folder / f"{name}_reflectance.tif"), clear=str(folder / f"{name}_clear.tif"),
        geobox=geobox, footprint=outline(geobox),
    )  # fmt: skip


def clouds(height: int, width: int, seed: int) -> NDArray[np.bool_]:
    """Round clouds over about a fifth of the scene."""
    rng = np.random.default_rng(1000 + seed)
    y, x = np.mgrid[0:height, 0:width]
    cloudy = np.zeros((height, width), bool)
    for _ in range(4):
        row, col, radius = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(0.08, 0.2) * min(height, width)
        cloudy |= (y - row) ** 2 + (x - col) ** 2 < radius**2
    return cloudy


def lonlat_box(geobox: GeoBox, top: float, left: float, bottom: float, right: float) -> dict[str, object]:
    """GeoJSON polygon around pixels of a grid, a little slanted so that it follows no pixel edge."""
    to_wgs84 = Transformer.from_crs(crs_of(geobox).to_wkt(), "OGC:CRS84", always_xy=True)
    corners = [(left, top), (left + 3.3, bottom), (right, bottom - 5.7), (right - 2.1, top + 1.9), (left, top)]
    ring = [list(to_wgs84.transform(*(geobox.affine * corner))) for corner in corners]
    return {"type": "Polygon", "coordinates": [ring]}


def whole(geometry: BaseGeometry) -> dict[str, object]:
    """A geometry as GeoJSON."""
    return dict(shapely.geometry.mapping(geometry))
