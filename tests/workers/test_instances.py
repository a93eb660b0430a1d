"""Instances through the whole pipeline: the objects that were drawn, whatever the blocks are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rio_cogeo.cogeo import cog_validate
from scipy import ndimage

from geo.pieces import read_pieces
from geo.scene import Scene
from tests.geo.scenes import lonlat_box, utm_grid, write_scene
from tests.workers.plain_instances import PlainInstances, instances_card
from tests.workers.plain_network import PlainEngine, plain_card
from workers.assembly import assemble
from workers.block_pipeline import FILES, files_of, segment_block
from workers.instances import PIECES
from workers.planning import Request, make_plan
from workers.product import Product

FIRST = datetime(2020, 8, 1, 10, 30, tzinfo=UTC)
GRID = utm_grid(150, 190, x=500_016.0)  # its first pixel is one of the lattice of tiles
OBJECTS = [
    *((row, col, 7, 9) for row in (5, 40, 77, 110) for col in (3, 30, 58, 95, 140)),
    (26, 8, 8, 160),  # across many tiles, and blocks
    (130, 100, 20, 30),  # up to the edge
]


def draw(objects: Sequence[tuple[int, int, int, int]]) -> NDArray[np.bool_]:
    mask = np.zeros(GRID.shape, bool)
    for row, col, height, width in objects:
        mask[row : row + height, col : col + width] = True
    return mask


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Scene]:
    """Two dates: all objects; then the long one and half of the others, under a cloud in part."""
    folder = tmp_path_factory.mktemp("scenes")
    cloud = np.zeros(GRID.shape, bool)
    cloud[60:90, 50:75] = True
    made = []
    for number, objects in enumerate((OBJECTS, OBJECTS[::2] + OBJECTS[-2:-1])):
        values = np.full((4, *GRID.shape), 1000, np.uint16)
        values[3][draw(objects)] = 8000
        values[3] += np.arange(GRID.shape[1], dtype=np.uint16)  # so that scores differ
        when, clear = FIRST + timedelta(days=9 * number), ~cloud if number else ~np.zeros_like(cloud)
        made.append(write_scene(folder, f"d{number}", GRID, acquired=when, values=values, clear=clear))
    return made


def run(
    scenes: Sequence[Scene], out: Path, *, block_px: int, aoi: Mapping[str, Any] | None = None, min_area_ha: float = 0.0
) -> dict[str, Product]:
    engine = PlainInstances()
    plan = make_plan(
        scenes, Request(aoi=aoi, min_area_ha=min_area_ha), engine.card, block_px=block_px, max_aoi_km2=1000
    )
    for block in plan.blocks:
        folder = out / str(block.index)
        segment_block(plan, block, {scene.id: scene for scene in scenes}, engine, folder, lambda _: None)
        assert sorted(path.name for path in folder.iterdir()) == sorted((*FILES, PIECES))
    made = assemble(plan, engine.card, lambda index: out / str(index), out / "products", lambda _: None)
    left = {path.name for path in (out / "products").iterdir()}
    assert left == {product.name for product in made}
    return {product.name: product for product in made}


def read(product: Product) -> NDArray[np.uint32]:
    with rasterio.open(product.path) as dataset:
        assert dataset.dtypes == ("uint32",)
        assert dataset.nodata == 0
        assert cog_validate(product.path, strict=True) == (True, [], [])
        numbers: NDArray[np.uint32] = dataset.read(1)
    return numbers


@pytest.fixture(scope="module")
def products(scenes: list[Scene], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Product]:
    return run(scenes, tmp_path_factory.mktemp("job"), block_px=48)


def test_every_object_is_one_instance(products: dict[str, Product]) -> None:
    drawn, count = ndimage.label(draw(OBJECTS))
    numbers = read(products["instances_20200801.tif"])
    pairs = np.unique(np.stack([numbers.ravel(), drawn.ravel()]), axis=1).T
    assert len(pairs) == count + 1
    assert len(np.unique(pairs[:, 0])) == len(np.unique(pairs[:, 1])) == count + 1


def test_an_instance_is_seen_where_it_is_clear(products: dict[str, Product], scenes: list[Scene]) -> None:
    clear = np.ones(GRID.shape, bool)
    clear[60:90, 50:75] = False
    numbers = read(products["instances_20200810.tif"])
    assert np.array_equal(numbers > 0, draw([*OBJECTS[::2], OBJECTS[-2]]) & clear)
    # The mask remembers what it saw there on the first date; instances are of one date.
    with rasterio.open(products["mask_20200810.tif"].path) as dataset:
        assert (dataset.read(1)[77:84, 58:67] == 1).all()


def test_instances_come_last_and_tell_what_they_are(products: dict[str, Product]) -> None:
    expected = [f"instances_{label}.{kind}" for label in ("20200801", "20200810") for kind in ("tif", "geojson", "qml")]
    assert list(products)[-7:-1] == expected
    assert products["instances_20200801.geojson"].title == "Plain: instances on 2020-08-01, with their scores, WGS84"
    with rasterio.open(products["instances_20200801.tif"].path) as dataset:
        assert dataset.tags()["label"] == "20200801"
        assert dataset.descriptions == ("instances on 2020-08-01",)


def test_features_and_raster_agree(products: dict[str, Product]) -> None:
    for label in ("20200801", "20200810"):
        numbers = read(products[f"instances_{label}.tif"])
        features = json.loads(products[f"instances_{label}.geojson"].path.read_text())["features"]
        assert [feature["properties"]["instance"] for feature in features] == list(range(1, numbers.max() + 1))
        for feature in features:
            pixels = np.count_nonzero(numbers == feature["properties"]["instance"])
            assert feature["properties"]["area_ha"] == pytest.approx(pixels * 9 / 10_000, rel=2e-3)
            assert 0.8 < feature["properties"]["score"] < 0.82
            assert feature["properties"]["class"] == "burned"


@pytest.mark.parametrize("block_px", [16, 80, 1024])
def test_blocks_of_any_size_give_the_same_bytes(
    scenes: list[Scene], products: dict[str, Product], tmp_path: Path, block_px: int
) -> None:
    others = run(scenes, tmp_path, block_px=block_px)
    assert {name: product.sha256 for name, product in others.items()} == {
        name: product.sha256 for name, product in products.items()
    }


def test_blocks_of_any_size_give_the_same_bytes_over_a_part(scenes: list[Scene], tmp_path: Path) -> None:
    """The area cuts objects, and blocks lie outside of it that other ways of cutting do not have."""
    aoi = lonlat_box(GRID, 20.3, 25.2, 101.7, 150.9)
    hashes = []
    for block_px in (16, 48, 1024):
        made = run(scenes, tmp_path / str(block_px), block_px=block_px, aoi=aoi, min_area_ha=0.02)
        hashes.append({name: product.sha256 for name, product in made.items()})
    assert hashes[0] == hashes[1] == hashes[2]
    with rasterio.open(tmp_path / "48" / "products" / "instances_20200801.tif") as dataset:
        numbers = dataset.read(1)
    with rasterio.open(tmp_path / "48" / "products" / "mask_20200801.tif") as dataset:
        assert not numbers[dataset.read(1) == 255].any()
    assert 1 < len(np.unique(numbers)) < len(OBJECTS)


def test_a_block_tells_the_tiles_that_reach_into_it(scenes: list[Scene], tmp_path: Path) -> None:
    engine = PlainInstances()
    plan = make_plan(scenes, Request(), engine.card, block_px=48, max_aoi_km2=1000)
    block = next(block for block in plan.blocks if block.row > 0 and block.col > 0)
    segment_block(plan, block, {scene.id: scene for scene in scenes}, engine, tmp_path, lambda _: None)
    tiles = np.array([piece.tile for piece in read_pieces(tmp_path / PIECES, plan.dates[0].label)])
    assert tiles[:, 0].min() == block.row - 16
    assert tiles[:, 0].max() <= block.row + block.height - 16
    assert tiles[:, 1].min() == block.col - 16


def test_other_networks_leave_what_they_left(scenes: list[Scene], tmp_path: Path) -> None:
    assert files_of(plain_card()) == FILES
    plan = make_plan(scenes, Request(), plain_card(), block_px=1024, max_aoi_km2=1000)
    by_id = {scene.id: scene for scene in scenes}
    segment_block(plan, plan.blocks[0], by_id, PlainEngine(), tmp_path, lambda _: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    with pytest.raises(TypeError, match="expected an engine that tells them"):
        segment_block(plan, plan.blocks[0], by_id, PlainEngine(instances_card()), tmp_path / "wrong", lambda _: None)
    assert list((tmp_path / "wrong").iterdir()) == []
