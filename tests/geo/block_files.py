"""Block files as the block pipeline writes them, cut from whole seeded rasters that tests know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from scipy.ndimage import gaussian_filter

from geo.blocks import Block, cut_blocks
from geo.legend import LegendClass

LEGEND = (LegendClass(0, "unburned", "#2c7a3f"), LegendClass(1, "burned", "#d7301f"))
DAYS = (18475, 18483, 18491, 18502)
"""2020-08-01, 08-09, 08-17 and 08-28 as days since 1970-01-01."""


@dataclass(frozen=True)
class Whole:
    """The rasters that the block files are cut from; T dates on a grid of H x W pixels.

    Attributes:
        masks, observed: (T, H, W) uint8, as in masks.tif and observed.tif.
        summary: (5, H, W) int32: change_date, first_seen, last_seen, confidence, last_look.
    """

    masks: NDArray[np.uint8]
    observed: NDArray[np.uint8]
    summary: NDArray[np.int32]


def burning(shape: tuple[int, int], seed: int = 0, days: tuple[int, ...] = DAYS, cloud: float = 0.3) -> Whole:
    """Simulate what a burned-area job leaves: a fire in patches, clouds, and an AOI with a slanted edge."""
    rng = np.random.default_rng(seed)
    rows, cols = shape
    count = len(days)
    outside = np.add.outer(np.arange(rows), np.arange(cols)) < min(rows, cols) // 4
    scale = min(rows, cols) / 16
    field = gaussian_filter(rng.standard_normal(shape), scale) * scale + gaussian_filter(rng.standard_normal(shape), 3)
    arrival = count - np.searchsorted(np.quantile(field, np.linspace(0.55, 0.95, count)), field)
    masks = np.full((count, *shape), 255, np.uint8)
    observed = np.full((count, *shape), 255, np.uint8)
    summary = np.zeros((5, *shape), np.int32)
    summary[3] = np.where(outside, -1, rng.integers(50, 101, shape))
    current = np.full(shape, 255, np.uint8)
    for t, day in enumerate(days):
        clouds = gaussian_filter(rng.standard_normal(shape), scale)
        clear = (clouds > np.quantile(clouds, cloud)) & ~outside
        burned = (arrival <= t).astype(np.uint8)
        changed = clear & (current != burned)
        summary[0][changed & (current == 0)] = day
        summary[1][changed] = t + 1
        summary[2][clear] = t + 1
        summary[4][clear] = day
        current = np.where(clear, burned, current)
        masks[t] = current
        observed[t] = np.where(outside, 255, clear)
    summary[3][current == 255] = -1
    return Whole(masks, observed, summary)


def write_blocks(whole: Whole, geobox: GeoBox, block_px: int, folder: Path) -> tuple[Block, ...]:
    """Write masks.tif, observed.tif and summary.tif per block that has pixels inside the AOI."""
    blocks = []
    for block in cut_blocks((whole.masks.shape[1], whole.masks.shape[2]), block_px):
        rows, cols = slice(block.row, block.row + block.height), slice(block.col, block.col + block.width)
        if (whole.observed[:, rows, cols] == 255).all():
            continue
        blocks.append(block)
        grid = block.core(geobox)
        out = folder / str(block.index)
        out.mkdir(parents=True)
        for name, stack in (("masks", whole.masks), ("observed", whole.observed), ("summary", whole.summary)):
            write_raster(out / f"{name}.tif", stack[:, rows, cols], grid)
    return tuple(blocks)


def write_raster(path: Path, stack: NDArray[np.generic], geobox: GeoBox) -> None:
    """Write a (B, H, W) stack as a GeoTIFF."""
    bands, rows, cols = stack.shape
    profile = {"driver": "GTiff", "count": bands, "height": rows, "width": cols, "dtype": stack.dtype.name}
    with rasterio.open(
        path, "w", **profile, crs=str(geobox.crs), transform=geobox.affine, compress="deflate", interleave="band"
    ) as dataset:
        dataset.write(stack)


def folders(root: Path) -> Callable[[int], Path]:
    """Tell where `write_blocks` put a block."""
    return lambda index: root / str(index)
