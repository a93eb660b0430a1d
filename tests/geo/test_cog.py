"""COGs from blocks: pixels, colours, names, overviews, bytes."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rio_cogeo.cogeo import cog_validate

from geo.cog import write_cog
from geo.mosaic import Layer, mosaic_vrt
from tests.geo.block_files import LEGEND, Whole, burning, folders, write_blocks
from tests.programs import need

SHAPE = (700, 613)
GRIDS = {
    "utm": GeoBox(SHAPE, Affine(3, 0, 600_000, 0, -3, 4_100_000), "EPSG:32610"),
    "degrees": GeoBox(SHAPE, Affine(2e-4, 0, -120.5, 0, -2e-4, 38.2), "EPSG:4326"),
    "zone 1": GeoBox(SHAPE, Affine(3, 0, 166_021, 0, -3, 4_100_000), "EPSG:32601"),
}
MASK = Layer(
    source_band=2,
    source_dtype="uint8",
    dtype="uint8",
    nodata=255,
    description="class on 2020-08-09",
    classes=LEGEND,
    tags={"title": "Burned area & more", "date": "2020-08-09"},
)
CONFIDENCE = Layer(source_band=4, source_dtype="int32", dtype="uint8", nodata=255, source_nodata=-1)
CHANGE_DATE = Layer(source_band=1, source_dtype="int32", dtype="uint16", nodata=0)


@pytest.fixture(scope="module")
def whole() -> Whole:
    return burning(SHAPE)


def build(whole: Whole, geobox: GeoBox, folder: Path, layer: Layer, block_px: int = 160) -> Path:
    file = "masks.tif" if layer is MASK else "summary.tif"
    blocks = write_blocks(whole, geobox, block_px, folder / "blocks")
    block_folder = folders(folder / "blocks")
    vrt = mosaic_vrt(geobox, blocks, lambda index: block_folder(index) / file, layer)
    write_cog(vrt, folder / "out.tif", overviews="mode")
    return folder / "out.tif"


@pytest.mark.parametrize("grid", GRIDS)
def test_mask_comes_back_with_its_place_and_colours(whole: Whole, grid: str, tmp_path: Path) -> None:
    path = build(whole, GRIDS[grid], tmp_path, MASK)
    with rasterio.open(path) as dataset:
        assert np.array_equal(dataset.read(1), whole.masks[1])
        assert dataset.dtypes == ("uint8",)
        assert dataset.nodata == 255
        assert dataset.crs == str(GRIDS[grid].crs)
        assert dataset.transform.almost_equals(GRIDS[grid].affine, 1e-9)
        assert dataset.descriptions == (MASK.description,)
        assert dataset.tags()["title"] == "Burned area & more"
        assert dataset.tags(1)["class_1"] == "burned"
        colors = dataset.colormap(1)
        assert [colors[c.id] for c in LEGEND] == [(*c.rgb, 255) for c in LEGEND]
        assert colors[255][3] == 0
        assert dataset.overviews(1) == [2]
    assert cog_validate(path, strict=True) == (True, [], [])


def test_overviews_take_the_most_frequent_class(tmp_path: Path) -> None:
    whole = burning((700, 612), seed=1)
    path = build(whole, GRIDS["utm"][:, :612], tmp_path, MASK)
    with rasterio.open(path, OVERVIEW_LEVEL=0) as dataset:
        small = dataset.read(1)
    quads = whole.masks[1].reshape(350, 2, 306, 2).transpose(0, 2, 1, 3).reshape(350, 306, 4)
    counts = np.stack([(quads == value).sum(-1) for value in (0, 1)], -1)
    plain = counts[..., 0] != counts[..., 1]
    assert np.array_equal(small[plain], counts.argmax(-1)[plain])
    assert set(np.unique(small)) == {0, 1, 255}


def test_confidence_and_change_date_keep_values_and_nodata(whole: Whole, tmp_path: Path) -> None:
    confidence = build(whole, GRIDS["utm"], tmp_path / "confidence", CONFIDENCE)
    with rasterio.open(confidence) as dataset:
        assert dataset.nodata == 255
        assert np.array_equal(dataset.read(1), np.where(whole.summary[3] < 0, 255, whole.summary[3]))
    change = build(whole, GRIDS["utm"], tmp_path / "change", CHANGE_DATE)
    with rasterio.open(change) as dataset:
        assert dataset.dtypes == ("uint16",)
        assert dataset.nodata == 0
        assert np.array_equal(dataset.read(1), whole.summary[0])
    assert not list(tmp_path.rglob("*.aux.xml"))


@pytest.mark.parametrize("block_px", [64, 300, 1024])
def test_bytes_do_not_depend_on_the_blocks(whole: Whole, block_px: int, tmp_path: Path) -> None:
    one = build(whole, GRIDS["utm"], tmp_path / "one", MASK)
    other = build(whole, GRIDS["utm"], tmp_path / "other", MASK, block_px)
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (one, other)}
    assert len(digests) == 1


def test_the_system_s_gdal_reads_the_category_names(whole: Whole, tmp_path: Path) -> None:
    gdalinfo = need("gdalinfo")
    path = build(whole, GRIDS["utm"], tmp_path, MASK)
    run = subprocess.run([gdalinfo, "-json", str(path)], capture_output=True, check=True, text=True)
    info = json.loads(run.stdout)
    text = subprocess.run([gdalinfo, str(path)], capture_output=True, check=True, text=True).stdout
    band = info["bands"][0]
    assert band["colorInterpretation"] == "Palette"
    assert band["noDataValue"] == 255
    assert info["metadata"]["IMAGE_STRUCTURE"]["LAYOUT"] == "COG"
    assert "0: unburned" in text
    assert "1: burned" in text
