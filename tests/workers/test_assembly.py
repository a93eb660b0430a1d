"""Assembly: every product there, right, the same bytes every time, and none after a dismissal."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from defusedxml import ElementTree
from odc.geo.geobox import GeoBox
from rio_cogeo.cogeo import cog_validate

from models.card import Card, Change, LandClass
from tests.geo.block_files import DAYS, LEGEND, Whole, burning, folders, write_blocks
from workers.assembly import assemble
from workers.errors import Dismissed
from workers.plan import Plan, PlannedDate
from workers.product import Product

SHAPE = (257, 311)
GRID = GeoBox(SHAPE, Affine(3, 0, 600_000, 0, -3, 4_100_000), "EPSG:32610")
LABELS = ("20200801", "20200809", "20200817", "20200828")
CARD = Card(
    name="burned-area",
    version=1,
    family="recurrent_unet",
    title="Burned area",
    description="",
    bands=("blue", "green", "red", "nir"),
    classes=tuple(LandClass(id=c.id, name=c.name, color=c.color) for c in LEGEND),
    change=Change(name="burned", before=0, after=1),
    mean=(0.1,) * 4,
    std=(0.1,) * 4,
    stride_px=8,
    radius_px=54,
    tiling="exact",
    res_m=(3, 20),
    architecture={},
    training={},
    scores={},
    hashes={},
)
NAMES = [
    *(f"mask_{label}.{suffix}" for label in LABELS for suffix in ("tif", "tif.aux.xml", "qml")),
    *("change_date.tif", "change_date.qml", "confidence.tif", "confidence.qml"),
    *("last_look.tif", "last_look.qml"),
    *("polygons.geojson", "polygons.gpkg", "polygons.fgb", "polygons.parquet", "polygons.qml", "areas.csv"),
]


def plan_blocks(whole: Whole, folder: Path, block_px: int = 96, grid: GeoBox = GRID, **options: Any) -> Plan:
    return Plan(
        model_id="burned-area@8",
        model_hash="0" * 64,
        geobox=grid,
        aoi=shapely.box(-122, 36, -121, 38),
        dates=tuple(PlannedDate(label, day, ("a",)) for label, day in zip(LABELS, DAYS, strict=True)),
        blocks=write_blocks(whole, grid, block_px, folder),
        block_px=block_px,
        halo_px=56,
        **options,
    )


def ignore(name: str) -> None:
    """Take the progress and do nothing with it."""


@pytest.fixture(scope="module")
def whole() -> Whole:
    return burning(SHAPE)


@pytest.fixture(scope="module")
def products(whole: Whole, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Product]:
    folder = tmp_path_factory.mktemp("job")
    plan = plan_blocks(whole, folder / "blocks")
    seen: list[str] = []
    made = assemble(plan, CARD, folders(folder / "blocks"), folder / "out", seen.append)
    assert seen == [name for name in NAMES if not name.endswith(".aux.xml")]
    assert sorted(path.name for path in (folder / "out").iterdir()) == sorted(NAMES)
    return {product.name: product for product in made}


def test_every_product_is_listed_with_what_it_is(products: dict[str, Product]) -> None:
    assert list(products) == NAMES
    for product in products.values():
        assert product.title.startswith("Burned area")
        assert product.size == product.path.stat().st_size > 0
        assert product.sha256 == hashlib.sha256(product.path.read_bytes()).hexdigest()
    assert products["mask_20200801.tif"].media_type == "image/tiff; application=geotiff; profile=cloud-optimized"
    assert products["polygons.geojson"].media_type == "application/geo+json"


def test_rasters_hold_the_blocks_pixels(whole: Whole, products: dict[str, Product]) -> None:
    for mask, label in zip(whole.masks, LABELS, strict=True):
        with rasterio.open(products[f"mask_{label}.tif"].path) as dataset:
            assert np.array_equal(dataset.read(1), mask)
            assert dataset.tags()["label"] == label
    with rasterio.open(products["change_date.tif"].path) as dataset:
        assert np.array_equal(dataset.read(1), whole.summary[0])
    with rasterio.open(products["confidence.tif"].path) as dataset:
        assert np.array_equal(dataset.read(1), np.where(whole.summary[3] < 0, 255, whole.summary[3]))
        assert "as old as the last clear look" in dataset.tags()["meaning"]
    with rasterio.open(products["last_look.tif"].path) as dataset:
        assert np.array_equal(dataset.read(1), whole.summary[4])
        assert len(np.unique(dataset.read(1))) > 2
    for product in products.values():
        if product.name.endswith(".tif"):
            assert cog_validate(product.path, strict=True) == (True, [], [])


def test_areas_and_polygons_of_the_last_date_agree(products: dict[str, Product]) -> None:
    with products["areas.csv"].path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] == LABELS[-1]]
    features = json.loads(products["polygons.geojson"].path.read_text())["features"]
    for row in rows:
        polygons_ha = sum(f["properties"]["area_ha"] for f in features if f["properties"]["class"] == row["class"])
        assert polygons_ha == pytest.approx(float(row["area_ha"]), rel=1e-3)


def test_styles_are_well_formed(products: dict[str, Product]) -> None:
    for product in products.values():
        if product.name.endswith(".qml"):
            assert ElementTree.fromstring(product.path.read_text()).tag == "qgis"


def test_bytes_are_the_same_in_another_process_and_with_other_blocks(whole: Whole, tmp_path: Path) -> None:
    plan = plan_blocks(whole, tmp_path / "blocks", min_area_ha=0.05, simplify_px=1.0)
    one = assemble(plan, CARD, folders(tmp_path / "blocks"), tmp_path / "one", ignore)
    other_plan = plan_blocks(whole, tmp_path / "others", block_px=64, min_area_ha=0.05, simplify_px=1.0)
    (tmp_path / "plan.json").write_text(json.dumps(other_plan.to_json()))
    (tmp_path / "card.json").write_text(CARD.model_dump_json())
    script = """
import json, sys
from pathlib import Path
from models.card import read_card
from workers.assembly import assemble
from workers.plan import Plan
root = Path(sys.argv[1])
plan = Plan.from_json(json.loads((root / "plan.json").read_text()))
folder = lambda index: root / "others" / str(index)
for product in assemble(plan, read_card(root), folder, root / "other", lambda name: None):
    print(product.sha256, product.name)
"""
    run = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [f"{product.sha256} {product.name}" for product in one]


def test_a_dismissed_job_builds_nothing_more(whole: Whole, tmp_path: Path) -> None:
    plan = plan_blocks(whole, tmp_path / "blocks")

    def dismiss(name: str) -> None:
        if name == "change_date.tif":
            raise Dismissed("the job was dismissed")

    with pytest.raises(Dismissed):
        assemble(plan, CARD, folders(tmp_path / "blocks"), tmp_path / "out", dismiss)
    assert not (tmp_path / "out" / "change_date.tif").exists()


def test_a_job_that_never_saw_the_ground_still_has_its_products(tmp_path: Path) -> None:
    nothing = Whole(
        masks=np.full((4, *SHAPE), 255, np.uint8),
        observed=np.zeros((4, *SHAPE), np.uint8),
        summary=np.stack([np.full(SHAPE, value, np.int32) for value in (0, 0, 0, -1, 0)]),
    )
    plan = plan_blocks(nothing, tmp_path / "blocks", min_area_ha=0.5, simplify_px=1.0)
    made = assemble(plan, CARD, folders(tmp_path / "blocks"), tmp_path / "out", ignore)
    assert [product.name for product in made] == NAMES
    assert json.loads((tmp_path / "out" / "polygons.geojson").read_text())["features"] == []
    with (tmp_path / "out" / "areas.csv").open(newline="") as file:
        assert {(row["area_ha"], row["observed_share"]) for row in csv.DictReader(file)} == {("0.0000", "0.000000")}
