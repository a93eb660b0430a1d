"""Pieces of objects that tiles cut, put together; worked by hand on grids of a few pixels."""

from __future__ import annotations

import json
import zipfile
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from numpy.typing import NDArray
from shapely.geometry import shape

from geo.blocks import Window
from geo.instances import Instances, distinct, find_instances, merge_pieces
from geo.legend import LegendClass
from geo.pieces import Piece, add_pieces, piece_of, read_pieces
from geo.vectors import write_instances
from tests.geo.scenes import outline, utm_grid

TILE_PX = 8
GRID = utm_grid(300, 40)
EVERYWHERE = outline(utm_grid(340, 80, x=500_001.5 - 60, y=4_500_060.0))
LEGEND = (LegendClass(0, "ground", "#2c7a3f"), LegendClass(1, "crown", "#d7301f"), LegendClass(2, "roof", "#0000ff"))


def seen(
    objects: NDArray[np.bool_], tile: tuple[int, int], *, number: int = 0, class_id: int = 1, score: float = 0.9
) -> Piece:
    """What a tile shows of an object that is given on the whole grid."""
    rows, cols = (slice(start, start + TILE_PX) for start in tile)
    piece = piece_of(objects[rows, cols], *tile, tile=tile, number=number, class_id=class_id, score=score)
    assert piece is not None
    return piece


def box(row: int, col: int, height: int, width: int) -> NDArray[np.bool_]:
    mask = np.zeros((300, 40), bool)
    mask[row : row + height, col : col + width] = True
    return mask


def found(pieces: list[Piece], folder: Path, **options: float) -> tuple[Instances, NDArray[np.int32]]:
    raster = folder / "numbers.tif"
    instances = find_instances(pieces, GRID, EVERYWHERE, raster, tile_px=TILE_PX, **options)
    with rasterio.open(raster) as dataset:
        return instances, dataset.read(1)


def test_a_piece_is_cut_tight_and_comes_back_from_a_file(tmp_path: Path) -> None:
    mask = np.zeros((5, 7), bool)
    mask[1:4, 2] = mask[2, 3:6] = True
    piece = piece_of(mask, 10, 20, tile=(8, 16), number=3, class_id=2, score=0.7)
    assert piece is not None
    assert piece.window == Window(11, 22, 3, 4)
    assert piece.mask.tolist() == [[1, 0, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]]
    assert piece_of(np.zeros((3, 3), bool), 0, 0, tile=(0, 0), number=0, class_id=1, score=1.0) is None
    moved = piece.moved(-8, 4)
    assert (moved.tile, moved.window.row, moved.window.col) == ((0, 20), 3, 26)
    files = tmp_path / "a.npz", tmp_path / "b.npz"
    for path in files:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            add_pieces(archive, "20200801", [piece, moved])
            add_pieces(archive, "20200809", [])
    assert read_pieces(files[0], "20200801") == [piece, moved]
    assert read_pieces(files[0], "20200809") == []
    assert files[0].read_bytes() == files[1].read_bytes()


def test_what_two_tiles_see_of_one_object_is_one() -> None:
    long, short = box(2, 2, 3, 8), box(6, 5, 2, 2)
    pieces = [seen(long, (0, 0)), seen(short, (0, 0), number=1), seen(long, (0, 4)), seen(short, (0, 4), number=1)]
    assert merge_pieces(pieces, TILE_PX).tolist() == [0, 1, 0, 1]


def test_half_of_the_smaller_decides_within_what_both_tiles_see() -> None:
    # Both tiles see columns 4 to 7. There the first piece has 8 pixels, the second 8, 12 or 24.
    first = seen(box(0, 0, 2, 8), (0, 0))
    half, less, more = (seen(box(row, 4, height, 4), (0, 4)) for row, height in ((1, 2), (2, 3), (0, 6)))
    assert merge_pieces([first, half], TILE_PX).tolist() == [0, 0]
    assert merge_pieces([first, less], TILE_PX).tolist() == [0, 1]
    assert merge_pieces([first, more], TILE_PX).tolist() == [0, 0]


def test_objects_that_touch_by_a_pixel_or_are_of_two_kinds_stay_two() -> None:
    big, other = box(0, 0, 8, 4) | box(0, 4, 1, 1), box(0, 4, 8, 4)
    # The only pixel that the first shows where both see belongs to the second, but is a 33rd of it.
    assert merge_pieces([seen(big, (0, 0)), seen(other, (0, 4))], TILE_PX).tolist() == [0, 1]
    same = box(2, 2, 3, 8)
    assert merge_pieces([seen(same, (0, 0)), seen(same, (0, 4), class_id=2)], TILE_PX).tolist() == [0, 1]
    assert merge_pieces([seen(same, (0, 0)), seen(same, (0, 0), number=1)], TILE_PX).tolist() == [0, 1]


def test_a_third_piece_joins_two() -> None:
    whole = box(1, 1, 20, 3)
    pieces = [seen(whole, (row, 0)) for row in (0, 8, 16, 4, 12)]
    assert merge_pieces(pieces, TILE_PX).tolist() == [0, 0, 0, 0, 0]
    assert merge_pieces(pieces[:3], TILE_PX).tolist() == [0, 1, 2]
    assert merge_pieces([], TILE_PX).tolist() == []


def test_an_object_across_tiles_and_strips_is_whole(tmp_path: Path) -> None:
    whole = box(250, 3, 20, 4) | box(262, 3, 2, 20)
    tiles = [(row, col) for row in range(240, 276, 4) for col in range(0, 28, 4)]
    pieces = [
        seen(whole, tile, score=0.5 + 0.001 * number)
        for number, tile in enumerate(tiles)
        if whole[tile[0] : tile[0] + 8, tile[1] : tile[1] + 8].any()
    ]
    instances, numbers = found(pieces, tmp_path)
    assert np.array_equal(numbers, whole)
    assert instances.score == pytest.approx([max(piece.score for piece in pieces)])
    assert instances.area_ha == pytest.approx([whole.sum() * 9 / 10_000], rel=2e-3)
    assert instances.outlines[0].area == whole.sum()
    assert [path.name for path in tmp_path.iterdir()] == ["numbers.tif"]


def test_nothing_depends_on_the_order_in_which_blocks_tell(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    objects = [box(*rng.integers(0, 24, 2), *rng.integers(2, 7, 2)) for _ in range(20)]
    pieces = [
        seen(mask, (row, col), number=number, score=float(rng.uniform(0.5, 1)))
        for number, mask in enumerate(objects)
        for row in range(0, 32, 4)
        for col in range(0, 32, 4)
        if mask[row : row + 8, col : col + 8].any()
    ]
    one, numbers = found(pieces, tmp_path)
    shuffled = [pieces[at] for at in rng.permutation(np.tile(np.arange(len(pieces)), 2))]
    assert distinct(shuffled) == distinct(pieces)
    other, other_numbers = found(shuffled, tmp_path)
    assert np.array_equal(numbers, other_numbers)
    assert np.array_equal(one.score, other.score)
    assert shapely.equals_exact(one.outlines, other.outlines).all()
    assert set(np.unique(numbers)) == set(range(len(one.score) + 1))


def test_the_surest_object_gets_the_pixel_and_small_ones_go(tmp_path: Path) -> None:
    pieces = [
        seen(box(0, 0, 4, 4), (0, 0), number=0, score=0.6),
        seen(box(2, 2, 4, 4), (0, 0), number=1, score=0.9, class_id=2),
        seen(box(3, 3, 2, 2), (0, 0), number=2, score=0.5),  # wholly under the second
        seen(box(7, 7, 1, 1), (0, 0), number=3, score=0.99),
    ]
    expected = np.zeros((8, 8), int)
    expected[:4, :4], expected[2:6, 2:6] = 1, 2
    instances, numbers = found(pieces, tmp_path, min_area_ha=2 * 9 / 10_000)
    assert numbers[:8, :8].tolist() == expected.tolist()
    assert instances.score == pytest.approx([0.6, 0.9])
    assert instances.class_id.tolist() == [1, 2]
    assert instances.owner.tolist() == [0, 1]
    instances, numbers = found(pieces, tmp_path)
    assert instances.score == pytest.approx([0.6, 0.9, 0.99])
    assert numbers[7, 7] == 3


def test_what_lies_outside_of_the_area_is_cut_off(tmp_path: Path) -> None:
    left = outline(utm_grid(300, 6))
    pieces = [seen(box(0, 4, 3, 4), (0, 0)), seen(box(5, 6, 2, 2), (0, 0), number=1, score=0.95)]
    raster = tmp_path / "numbers.tif"
    instances = find_instances(pieces, GRID, left, raster, tile_px=TILE_PX)
    with rasterio.open(raster) as dataset:
        assert np.array_equal(dataset.read(1), box(0, 4, 3, 2))
    assert instances.score == pytest.approx([0.9])


def test_features_are_one_per_number(tmp_path: Path) -> None:
    ring = box(1, 1, 5, 5) & ~box(3, 3, 1, 1)
    pieces = [
        seen(box(0, 10, 2, 2) | box(4, 13, 2, 2), (0, 8), number=0, score=0.75),
        seen(ring, (0, 0), number=0, score=0.5, class_id=2),
    ]
    instances, numbers = found(pieces, tmp_path)
    write_instances(instances, GRID, date(2020, 8, 1), LEGEND, tmp_path / "instances.geojson")
    features = json.loads((tmp_path / "instances.geojson").read_text())["features"]
    assert [feature["properties"] for feature in features] == [
        {"instance": 1, "class": "roof", "class_id": 2, "date": "2020-08-01", "score": 0.5, "area_ha": 0.0216},
        {"instance": 2, "class": "crown", "class_id": 1, "date": "2020-08-01", "score": 0.75, "area_ha": 0.0072},
    ]
    assert [feature["id"] for feature in features] == [1, 2]
    assert [feature["geometry"]["type"] for feature in features] == ["Polygon", "MultiPolygon"]
    assert len(features[0]["geometry"]["coordinates"]) == 2
    for number, feature in enumerate(features, start=1):
        west, south, east, north = shape(feature["geometry"]).bounds
        rows, cols = np.nonzero(numbers == number)
        corners = outline(GRID[rows.min() : rows.max() + 1, cols.min() : cols.max() + 1]).bounds
        assert (west, south, east, north) == pytest.approx(corners, abs=1e-6)


def test_outlines_are_simplified_where_asked(tmp_path: Path) -> None:
    stairs = np.zeros((300, 40), bool)
    for step in range(7):
        stairs[step, : step + 1] = True
    rough, _ = found([seen(stairs, (0, 0))], tmp_path)
    smooth, _ = found([seen(stairs, (0, 0))], tmp_path, simplify_px=1.5)
    assert shapely.get_num_coordinates(smooth.outlines[0]) < shapely.get_num_coordinates(rough.outlines[0]) / 2
    assert smooth.outlines[0].is_valid


def test_a_date_without_objects(tmp_path: Path) -> None:
    instances, numbers = found([], tmp_path)
    assert not numbers.any()
    write_instances(instances, GRID, date(2020, 8, 1), LEGEND, tmp_path / "none.geojson")
    assert json.loads((tmp_path / "none.geojson").read_text()) == {"type": "FeatureCollection", "features": []}
