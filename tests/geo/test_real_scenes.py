"""Real files: Sentinel-2 of fires, Landsat of a forest frontier."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely

from geo.ingest import IngestOptions, ingest
from tests.geo.rasters import read_scene, write_tif

DATA = Path(__file__).parents[3] / "shared" / "data"
FOUR = {"blue": 1, "green": 2, "red": 3, "nir": 4}
WHEN = datetime(2020, 8, 1, tzinfo=UTC)

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="no ../shared/data")


@pytest.mark.parametrize("name", ["pre_fire.tif", "post_fire.tif"])
@pytest.mark.parametrize("fire", sorted(p.name for p in (DATA / "wildfire_pairs").glob("*")))
def test_wildfires(tmp_path: Path, fire: str, name: str) -> None:
    source = DATA / "wildfire_pairs" / fire / name
    scene = ingest(source, tmp_path / "out", IngestOptions("s", acquired=WHEN, bands=FOUR, scale=1e-4))
    with rasterio.open(source) as dataset:
        values, bounds, transform = dataset.read([1, 2, 3, 4]), dataset.bounds, dataset.transform
    found, clear = read_scene(tmp_path / "out")
    valid = np.isfinite(values).all(axis=0) & values.any(axis=0)
    assert np.array_equal(clear, valid)
    assert np.array_equal(found[:, valid], np.clip(np.rint(values[:, valid]), 1, 65535))
    assert (found[:, ~valid] == 0).all()
    assert scene.geobox.affine == transform
    assert scene.bands == tuple(FOUR)
    assert shapely.box(*bounds).buffer(1e-6).covers(scene.footprint)


@pytest.mark.parametrize("year", ["1985", "2020"])
def test_landsat_bytes(tmp_path: Path, year: str) -> None:
    source = DATA / "ucayali_landsat_8dates" / f"{year}.tif"
    ingest(source, tmp_path / "out", IngestOptions("s", acquired=WHEN, bands=FOUR))
    with rasterio.open(source) as dataset:
        values = dataset.read()
    found, clear = read_scene(tmp_path / "out")
    assert np.array_equal(clear, values.any(axis=0))
    expected = np.clip(np.rint(values / 255 * 1e4), 1, None) * clear
    assert np.abs(found - expected).max() <= 1


def test_landsat_bands_stacked_with_their_descriptions(tmp_path: Path) -> None:
    folder = next((DATA / "L8NY18").iterdir())
    bands = []
    for number in (2, 3, 4, 5):
        with rasterio.open(next(folder.glob(f"*_B{number}.TIF"))) as dataset:
            bands.append(dataset.read(1))
            crs, transform = dataset.crs, dataset.transform
    values = np.stack(bands)
    path = write_tif(tmp_path / f"{folder.name}.tif", values, crs=crs, transform=transform)
    scene = ingest(path, tmp_path / "out", IngestOptions("s"))
    assert scene.acquired == datetime(2018, *_month_and_day(folder.name), tzinfo=UTC)
    found, clear = read_scene(tmp_path / "out")
    assert np.array_equal(clear, values.any(axis=0))
    assert np.array_equal(found[:, clear], np.maximum(values, 1)[:, clear])


def _month_and_day(name: str) -> tuple[int, int]:
    date = name.split("_")[3]
    return int(date[4:6]), int(date[6:8])
