"""Polygons of a job's last date: one per connected region of a class and, where it changed, of the date of change.

A region is 4-connected: pixels that touch only at a corner are two regions. Every class is a polygon, so that
neighbours share their edges and areas add up; pixels never seen, or outside the area of interest, are none.
Pixels that changed are divided by `first_seen`, the date since which the class stands without a break, so that
the rings of a fire's progression lie side by side. Pixels that never changed are not divided: there `first_seen`
only tells when the clouds opened first, and a region takes the earliest.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from geo.areas import M2_PER_HA, PixelAreas, pixel_areas
from geo.outlines import OFFSET_GRID, Polygons, junctions, trace_regions
from geo.regions import CLASSES, NO_KEY, Graph, Ints, inner_borders, label_strip, merge_regions, totals, touching

STRIP_PX = 256


@dataclass(frozen=True)
class Sources:
    """Rasters on one grid, as paths or VRT texts; the last is uint8, the others int32.

    Attributes:
        change_date: days since 1970-01-01, 0 where a pixel never changed.
        first_seen: 1 + index of the date since which the class stands, 0 = never seen.
        last_seen: 1 + index of the last clear date.
        confidence: 0..100.
        mask: class ids at the last date, 255 = never seen.
    """

    change_date: str
    first_seen: str
    last_seen: str
    confidence: str
    mask: str


@dataclass(frozen=True)
class Regions:
    """Regions of the last date, in the order of their first pixels; all arrays are (N,).

    Attributes:
        outlines: polygons in pixels, (col, -row); a coverage.
        class_id: class of the region.
        first_seen, last_seen: index of the date since which the class stands, and of the last clear look.
        area_ha: true area of the pixels, before outlines are simplified.
        mean_confidence: 0..100.
    """

    outlines: Polygons
    class_id: Ints
    first_seen: Ints
    last_seen: Ints
    area_ha: NDArray[np.float64]
    mean_confidence: NDArray[np.float64]


@dataclass(frozen=True)
class _Strip:
    """Full-width rows of the sources, (H, W) each; `keys` are class + 256 x date of change."""

    row: int
    keys: NDArray[np.int32]
    first_seen: NDArray[np.int32]
    last_seen: NDArray[np.int32]
    confidence: NDArray[np.int32]


@dataclass(frozen=True)
class _Parts:
    """Regions cut at strips: their graph, and sums over the pixels of each part, (parts,)."""

    graph: Graph
    pixels: Ints
    confidence: NDArray[np.float64]
    first_seen: Ints
    last_seen: Ints


def find_regions(
    geobox: GeoBox, sources: Sources, scratch: Path, *, min_area_ha: float = 0.0, simplify_px: float = 0.0
) -> Regions:
    """Find regions and trace their outlines, in strips, through temporary rasters.

    Args:
        geobox: grid of the sources.
        sources: what the regions are made from.
        scratch: folder for temporary rasters of the grid's size.
        min_area_ha: smaller regions merge into their largest neighbour, of their own class where there is one; those
            without any neighbour are dropped.
        simplify_px: tolerance of the outlines in pixels; 0 keeps the pixels' edges.
    """
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        parts_file, regions_file = Path(folder, "parts.tif"), Path(folder, "regions.tif")
        parts = _find_parts(geobox, sources, parts_file, merging=min_area_ha > 0)
        region, keys = merge_regions(parts.graph, min_area_ha * M2_PER_HA)
        corners = _write_regions(parts_file, region, regions_file)
        outlines = trace_regions(regions_file, corners, len(keys), simplify_px)
    return _summarise(parts, region, keys, outlines)


def _find_parts(geobox: GeoBox, sources: Sources, dst: Path, *, merging: bool) -> _Parts:
    """Number the parts of regions strip by strip, and add up what is asked of them; `merging` needs their borders."""
    areas, shape = pixel_areas(geobox), (geobox.shape[0], geobox.shape[1])
    sums: list[tuple[Ints, NDArray[np.float64], Ints, NDArray[np.float64], Ints, Ints]] = []
    joins, borders = [np.zeros((0, 2), np.int64)], [np.zeros((0, 2), np.int64)]
    total, above = 0, None
    with _open_numbers(dst, shape) as numbers:
        for strip in _read_strips(sources, shape):
            labels, keys = label_strip(strip.keys)
            sums.append((keys, *_add_up(strip, labels, len(keys), areas)))
            labels += total
            if merging:
                borders.append(inner_borders(labels))
            if above is not None:
                same = above[1] == strip.keys[0]
                joins.append(touching(above[0][same], labels[0][same]))
                borders.append(touching(above[0][~same], labels[0][~same]))
            numbers.write(labels, 1, window=_rows(strip.row, labels.shape))
            total, above = total + len(keys), (labels[-1], strip.keys[-1])
    keys, areas_m2, pixels, confidence, first, last = (np.concatenate(values) for values in zip(*sums, strict=True))
    graph = Graph(keys, areas_m2, np.concatenate(joins), np.concatenate(borders))
    return _Parts(graph, pixels, confidence, first, last)


def _add_up(
    strip: _Strip, labels: NDArray[np.int32], count: int, areas: PixelAreas
) -> tuple[NDArray[np.float64], Ints, NDArray[np.float64], Ints, Ints]:
    """Sum area, pixels and confidence, and take the earliest and latest look, over each part of a strip."""
    flat = labels.ravel()
    area_m2 = totals(flat, areas.window(strip.row, 0, *labels.shape).ravel(), count)
    confidence = totals(flat, strip.confidence.ravel(), count)
    # Row by row pixels of one part come in runs; a run at a time is much faster than a pixel at a time.
    starts = np.flatnonzero(np.append(True, flat[1:] != flat[:-1]))
    first, last = np.full(count, np.iinfo(np.int64).max), np.zeros(count, np.int64)
    np.minimum.at(first, flat[starts], np.minimum.reduceat(strip.first_seen.ravel(), starts))
    np.maximum.at(last, flat[starts], np.maximum.reduceat(strip.last_seen.ravel(), starts))
    return area_m2, np.bincount(flat, minlength=count).astype(np.int64), confidence, first, last


def _write_regions(parts_file: Path, region: Ints, dst: Path) -> Ints:
    """Renumber parts as regions from 1, 0 being none; returns the junctions of their outlines."""
    numbers = (region + 1).astype(np.int32)
    corners = [np.zeros((0, 2), np.int64)]
    above: NDArray[np.int32] | None = None
    with rasterio.open(parts_file) as parts, _open_numbers(dst, parts.shape) as regions:
        for row in range(0, parts.height, STRIP_PX):
            window = _rows(row, (min(STRIP_PX, parts.height - row), parts.width))
            strip = numbers[parts.read(1, window=window)]
            regions.write(strip, 1, window=window)
            seen = strip if above is None else np.concatenate([above, strip])
            corners.append(junctions(seen, row if above is None else row - 1))
            above = strip[-1:]
    return np.concatenate(corners)


def _summarise(parts: _Parts, region: Ints, keys: Ints, outlines: Polygons) -> Regions:
    """Add up parts into regions."""
    kept = region >= 0
    member, count = region[kept], len(keys)
    pixels = totals(member, parts.pixels[kept], count)
    own = kept & (parts.graph.keys == keys[region] if count else kept)
    first = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(first, region[own], parts.first_seen[own])
    last = np.zeros(count, np.int64)
    np.maximum.at(last, member, parts.last_seen[kept])
    return Regions(
        outlines=outlines,
        class_id=keys % CLASSES,
        first_seen=first - 1,
        last_seen=last - 1,
        area_ha=totals(member, parts.graph.areas_m2[kept], count) / M2_PER_HA,
        mean_confidence=totals(member, parts.confidence[kept], count) / np.maximum(pixels, 1),
    )


def _read_strips(sources: Sources, shape: tuple[int, int]) -> Iterator[_Strip]:
    with (
        rasterio.open(sources.mask) as mask,
        rasterio.open(sources.change_date) as change_date,
        rasterio.open(sources.first_seen) as first_seen,
        rasterio.open(sources.last_seen) as last_seen,
        rasterio.open(sources.confidence) as confidence,
    ):
        for row in range(0, shape[0], STRIP_PX):
            window = _rows(row, (min(STRIP_PX, shape[0] - row), shape[1]))
            classes = mask.read(1, window=window).astype(np.int32)
            first = first_seen.read(1, window=window)
            changed = change_date.read(1, window=window) > 0
            keys = np.where(classes == 255, NO_KEY, classes + CLASSES * first * changed).astype(np.int32)
            yield _Strip(row, keys, first, last_seen.read(1, window=window), confidence.read(1, window=window))


def _rows(row: int, shape: tuple[int, int]) -> Window:
    return Window(0, row, shape[1], shape[0])


def _open_numbers(path: Path, shape: tuple[int, int]) -> DatasetWriter:
    """Open a temporary raster of int32 numbers."""
    return rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=shape[0],
        width=shape[1],
        count=1,
        dtype="int32",
        transform=OFFSET_GRID,
        tiled=True,
        blockxsize=STRIP_PX,
        blockysize=STRIP_PX,
        compress="lzw",
        bigtiff="if_safer",
    )
