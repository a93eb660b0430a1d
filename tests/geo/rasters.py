"""Small seeded GeoTIFFs as strangers send them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp

ROLES = ("blue", "green", "red", "nir")
NORTH_UP = Affine(3, 0, 600_000, 0, -3, 4_200_000)
SHAPE = (37, 53)


def numbers(
    shape: tuple[int, int] = SHAPE,
    bands: int = 4,
    dtype: str = "uint16",
    low: int = 1,
    high: int = 9_000,
    seed: int = 0,
) -> NDArray[Any]:
    """Random values of a type, (bands, height, width)."""
    values = np.random.default_rng(seed).integers(low, high, (bands, *shape))
    return values.astype(dtype)


def write_tif(
    path: Path,
    values: NDArray[Any],
    *,
    crs: str | None = "EPSG:32610",
    transform: Affine = NORTH_UP,
    roles: tuple[str, ...] | None = ROLES,
    mask: NDArray[np.bool_] | None = None,
    tags: dict[str, str] | None = None,
    scale: float | None = None,
    offset: float | None = None,
    alpha: bool = False,
    **options: Any,
) -> Path:
    """Write (B, H, W) as a GeoTIFF and return its path; `options` go to rasterio as they are."""
    count, height, width = values.shape
    profile = {"count": count, "height": height, "width": width, "dtype": values.dtype, "crs": crs, **options}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", driver="GTiff", transform=transform, **profile) as dataset,
    ):
        if alpha:
            dataset.colorinterp = [ColorInterp.gray] + [ColorInterp.undefined] * (count - 2) + [ColorInterp.alpha]
        dataset.write(values)
        if roles is not None:
            dataset.descriptions = roles
        if scale is not None:
            dataset.scales = (scale,) * count
        if offset is not None:
            dataset.offsets = (offset,) * count
        if mask is not None:
            dataset.write_mask(mask)
        dataset.update_tags(**(tags or {}))
    return path


def read_scene(folder: Path) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    """Read an ingested scene: reflectance (B, H, W) and clear (H, W)."""
    with rasterio.open(folder / "reflectance.tif") as reflectance, rasterio.open(folder / "clear.tif") as clear:
        return reflectance.read(), clear.read(1) == 1


def read_item(folder: Path) -> dict[str, Any]:
    """Read the STAC Item that ingest left in a folder."""
    document: dict[str, Any] = json.loads((folder / "item.json").read_text())
    return document
