"""Instances: pieces that neighbouring tiles saw of one object, put together, as a raster of numbers and as outlines.

Tiles overlap, and lie on one lattice whatever the blocks are; the blocks that hold parts of a tile all tell the same
pieces of it. So what is made of them does not depend on how a job was cut.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio import features
from rasterio.windows import Window as RasterWindow
from shapely.geometry.base import BaseGeometry

from geo.aoi import aoi_mask
from geo.areas import M2_PER_HA, pixel_areas
from geo.blocks import Window
from geo.outlines import OFFSET_GRID, Polygons
from geo.pieces import Piece
from geo.regions import Ints, connect

COMMON_SHARE = 0.5
"""Two pieces are one object when they have this share of the smaller in common, of what both tiles can see."""

LEAST_SHARE = 0.05
"""They must have this share of the smaller piece as a whole in common, too: objects that touch by chance stay two."""

STRIP_PX = 256


@dataclass(frozen=True)
class Instances:
    """The objects of one date; N of them, numbered from 1 in the raster.

    Attributes:
        outlines: parts of the objects, valid polygons in (col, -row), (P,).
        owner: index of each part's object, (P,), rising.
        class_id: (N,).
        score: of the surest piece, (N,).
        area_ha: on the ellipsoid, (N,).
    """

    outlines: Polygons
    owner: Ints
    class_id: Ints
    score: NDArray[np.float64]
    area_ha: NDArray[np.float64]


def distinct(pieces: Iterable[Piece]) -> list[Piece]:
    """Return every piece once, in the order of tiles; several blocks may tell of one."""
    by_name = {(piece.tile, piece.number): piece for piece in pieces}
    return [by_name[name] for name in sorted(by_name)]


def merge_pieces(pieces: Sequence[Piece], tile_px: int) -> Ints:
    """Find the pieces that are one object.

    Pieces of one class from two tiles are, where they have at least half of the smaller in common: of what lies where
    both tiles see. So are pieces that a third one joins.

    Args:
        pieces: distinct.
        tile_px: edge of the tiles.

    Returns:
        Number of each piece's object, (pieces,), from 0 in the order of their first pieces.
    """
    if not pieces:
        return np.zeros(0, np.int64)
    windows = [piece.window for piece in pieces]
    boxes = shapely.box(
        [w.col for w in windows],
        [w.row for w in windows],
        [w.col + w.width for w in windows],
        [w.row + w.height for w in windows],
    )
    pairs = shapely.STRtree(boxes).query(boxes).T
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    same = [_are_one(pieces[one], pieces[other], tile_px) for one, other in pairs]
    return connect(len(pieces), pairs[np.array(same, np.bool_)])


def _are_one(one: Piece, other: Piece, tile_px: int) -> bool:
    if one.tile == other.tile or one.class_id != other.class_id:
        return False
    both, seen = one.window & other.window, one.tile_window(tile_px) & other.tile_window(tile_px)
    if both is None or seen is None:
        return False
    common = int(np.count_nonzero(one.within(both) & other.within(both)))
    in_sight = min(_pixels(piece, seen) for piece in (one, other))
    in_all = min(_pixels(piece, piece.window) for piece in (one, other))
    return 0 < common >= max(COMMON_SHARE * in_sight, LEAST_SHARE * in_all)


def _pixels(piece: Piece, place: Window) -> int:
    part = piece.window & place
    return 0 if part is None else int(np.count_nonzero(piece.within(part)))


def find_instances(
    pieces: Iterable[Piece],
    geobox: GeoBox,
    aoi: BaseGeometry,
    raster: Path,
    *,
    tile_px: int,
    min_area_ha: float = 0.0,
    simplify_px: float = 0.0,
) -> Instances:
    """Put pieces together, number the objects and trace them.

    A pixel that several objects claim belongs to the surest of them. What lies outside of the area is cut off.

    Args:
        pieces: of one date, in pixels of the grid; what several blocks tell of one tile may be among them repeatedly.
        geobox: the grid.
        aoi: area of interest, WGS84.
        raster: file to write: int32 numbers on `OFFSET_GRID`, 0 where no object is.
        tile_px: edge of the tiles.
        min_area_ha: smaller objects are left out.
        simplify_px: tolerance of the outlines, in pixels; 0 keeps the pixels' edges.
    """
    known = distinct(pieces)
    member = merge_pieces(known, tile_px)
    count = int(member.max(initial=-1)) + 1
    score, class_id = np.zeros(count), np.zeros(count, np.int64)
    np.maximum.at(score, member, np.array([piece.score for piece in known], np.float64))
    class_id[member] = [piece.class_id for piece in known]
    with tempfile.TemporaryDirectory(dir=raster.parent) as folder:
        claimed = Path(folder, "claimed.tif")
        area_m2 = _paint(known, member, score, geobox, aoi, claimed)
        kept = (area_m2 > 0) & (area_m2 >= min_area_ha * M2_PER_HA)
        _renumber(claimed, np.append(0, np.where(kept, np.cumsum(kept), 0)).astype(np.int32), raster)
    outlines, owner = _trace(raster, simplify_px)
    return Instances(outlines, owner, class_id[kept], score[kept], area_m2[kept] / M2_PER_HA)


def _paint(
    pieces: Sequence[Piece], member: Ints, score: NDArray[np.float64], geobox: GeoBox, aoi: BaseGeometry, dst: Path
) -> NDArray[np.float64]:
    """Write the objects' numbers from 1, strip by strip; returns the area of each, m²."""
    count, areas, (rows, cols) = len(score), pixel_areas(geobox), geobox.shape
    # The surest is painted last; of two as sure, the first one.
    rank = np.empty(count, np.int64)
    rank[np.lexsort((-np.arange(count), score))] = np.arange(count)
    order = np.argsort(rank[member], kind="stable")
    tops = np.array([piece.window.row for piece in pieces], np.int64)
    bottoms = tops + np.array([piece.window.height for piece in pieces], np.int64)
    area_m2 = np.zeros(count + 1)
    with _numbers(dst, (rows, cols)) as numbers:
        for strip in _strips((rows, cols)):
            values = np.zeros((strip.height, strip.width), np.int32)
            here = (tops < strip.row + strip.height) & (bottoms > strip.row)
            for at in order[here[order]]:
                part = strip & pieces[at].window
                if part is not None:
                    values[part.within(strip)][pieces[at].within(part)] = member[at] + 1
            if values.any():
                values[~aoi_mask(aoi, geobox[strip.row : strip.row + strip.height, :])] = 0
                weights = areas.window(strip.row, 0, strip.height, cols)
                area_m2 += np.bincount(values.ravel(), weights.ravel(), count + 1)
            numbers.write(values, 1, window=_window(strip))
    return area_m2[1:]


def _renumber(source: Path, numbers: NDArray[np.int32], dst: Path) -> None:
    with rasterio.open(source) as claimed, _numbers(dst, claimed.shape) as out:
        for strip in _strips(claimed.shape):
            out.write(numbers[claimed.read(1, window=_window(strip))], 1, window=_window(strip))


def _trace(path: Path, simplify_px: float) -> tuple[Polygons, Ints]:
    """Trace the 4-connected parts of all objects; returns them and their objects' indices."""
    parts, owners = list[shapely.Polygon](), list[int]()
    with rasterio.open(path) as dataset:
        for outline, number in features.shapes(rasterio.band(dataset, 1), connectivity=4):
            if number > 0:
                shell, *holes = (np.array(ring) - [OFFSET_GRID.c, OFFSET_GRID.f] for ring in outline["coordinates"])
                parts.append(shapely.Polygon(shell, holes))
                owners.append(int(number) - 1)
    outlines, owner = np.empty(len(parts), object), np.array(owners, np.int64)
    outlines[:] = parts
    order = np.argsort(owner, kind="stable")
    outlines = outlines[order]
    if simplify_px > 0:
        outlines = np.asarray(shapely.simplify(outlines, simplify_px, preserve_topology=True), object)
    return outlines, owner[order]


def _strips(shape: tuple[int, int]) -> Iterator[Window]:
    for row in range(0, shape[0], STRIP_PX):
        yield Window(row, 0, min(STRIP_PX, shape[0] - row), shape[1])


def _window(strip: Window) -> RasterWindow:
    return RasterWindow(strip.col, strip.row, strip.width, strip.height)


def _numbers(path: Path, shape: tuple[int, int]) -> rasterio.io.DatasetWriter:
    """Open a raster of int32 numbers, tiled as `geo.mosaic` expects it."""
    return rasterio.open(
        path, "w", driver="GTiff", height=shape[0], width=shape[1], count=1, dtype="int32", transform=OFFSET_GRID,
        tiled=True, blockxsize=STRIP_PX, blockysize=STRIP_PX, compress="lzw", bigtiff="if_safer",
    )  # fmt: skip
