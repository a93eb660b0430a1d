import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from defusedxml.ElementTree import parse
from rasterio.merge import merge
from rasterio.warp import transform_bounds
from shapely.geometry import Polygon, box, shape

from geo.ingest import IngestOptions, ingest
from geo.simulator.bundles import aoi_of, write_bundles, write_truth
from geo.simulator.series import Series, simulate, truth
from geo.simulator.spec import SeriesSpec, SpecRefused
from geo.simulator.strips import cut_strips

SPEC = SeriesSpec("burned-area", height=91, width=53, res_m=3.0, dates=3, fire_chance=1.0)


@pytest.fixture(scope="module")
def series() -> Series:
    return simulate(SPEC, 7)


def test_two_scenes_of_a_pass_give_the_look_back(series: Series, tmp_path: Path) -> None:
    bundles = write_bundles(series, tmp_path)
    assert len(bundles) == 6
    for date in range(3):
        pair = [bundle for bundle in bundles if bundle.date == date]
        assert [(b.acquired - pair[0].acquired).total_seconds() for b in pair] == [0, 2]
        merged, place = merge([bundle.image for bundle in pair])
        assert (place.a, place.c, place.f) == (3.0, 600_000.0, 8_360_000.0)
        np.testing.assert_allclose(merged * 1e-4, series.reflectance[date], atol=5.1e-5)
        masks, _ = merge([bundle.udm2 for bundle in pair], method="max")
        np.testing.assert_array_equal(masks[0] == 1, series.clear[date])


def test_files_are_as_planet_writes_them(series: Series, tmp_path: Path) -> None:
    first = write_bundles(series, tmp_path)[0]
    satellite = series.satellites[0]
    assert first.image.name == f"{series.times[0]:%Y%m%d_%H%M%S}_{satellite}_3B_AnalyticMS_SR.tif"
    assert first.udm2.name == f"{first.item_id}_3B_udm2.tif"
    with rasterio.open(first.image) as image, rasterio.open(first.udm2) as mask:
        assert (image.count, image.dtypes[0], image.nodata, image.crs) == (4, "uint16", 0, "EPSG:32720")
        assert image.descriptions == ("blue", "green", "red", "nir")
        assert (mask.count, mask.dtypes[0], mask.nodata) == (8, "uint8", None)
        assert (mask.shape, mask.transform) == (image.shape, image.transform)
        values, flags = image.read(), mask.read()
    nodata = (values == 0).all(0)
    assert nodata.any()
    assert np.array_equal(nodata, (values == 0).any(0))
    assert np.array_equal(nodata, (flags[7] & 1) == 1)
    assert not flags[:7, nodata].any()
    assert (flags[:6, ~nodata].sum(0) == 1).all()
    assert flags[6].max() <= 100


def test_metadata_say_when_who_and_how(series: Series, tmp_path: Path) -> None:
    first = write_bundles(series, tmp_path)[0]
    item = json.loads(first.metadata_json.read_text())
    assert item["id"] == first.item_id
    assert item["properties"]["satellite_id"] == series.satellites[0]
    acquired = datetime.fromisoformat(item["properties"]["acquired"])
    assert abs((acquired - first.acquired).total_seconds()) < 0.01
    assert shape(item["geometry"]).is_valid
    root = parse(first.metadata_xml).getroot()
    names = {"ps": "http://schemas.planet.com/ps/v1/planet_product_metadata_geocorrected_level"}
    assert root is not None
    coefficients = [float(node.text or "") for node in root.iterfind(".//ps:reflectanceCoefficient", names)]
    assert len(coefficients) == 4
    assert root.findtext(".//ps:epsgCode", namespaces=names) == "32720"


def test_radiance_becomes_reflectance_by_its_coefficients(series: Series, tmp_path: Path) -> None:
    first = write_bundles(series, tmp_path, scenes_per_date=1, product="radiance")[0]
    assert first.image.name.endswith("_3B_AnalyticMS.tif")
    root = parse(first.metadata_xml).getroot()
    assert root is not None
    coefficients = np.array(
        [float(node.text or "") for node in root.iter() if node.tag.endswith("reflectanceCoefficient")]
    )
    with rasterio.open(first.image) as image:
        reflectance = image.read() * coefficients[:, None, None]
    np.testing.assert_allclose(reflectance, series.reflectance[0], atol=3e-5)


def test_eight_bands_have_superdove_names(tmp_path: Path) -> None:
    series = simulate(replace(SPEC, bands=8, dates=1), 2)
    first = write_bundles(series, tmp_path)[0]
    assert first.image.name.endswith("_3B_AnalyticMS_SR_8b.tif")
    assert len(first.item_id.split("_")) == 4
    with rasterio.open(first.image) as image:
        assert image.count == 8


def test_truth_is_written_on_the_same_grid(series: Series, tmp_path: Path) -> None:
    paths = write_truth(series, tmp_path)
    assert [path.name for path in paths[:-1]] == [f"truth_{time:%Y%m%d}.tif" for time in series.times]
    for path, expected in zip(paths, [*truth(series), series.burn_day], strict=True):
        with rasterio.open(path) as dataset:
            assert (dataset.transform.c, dataset.transform.f) == (600_000.0, 8_360_000.0)
            np.testing.assert_array_equal(dataset.read(1), expected)


def test_the_area_of_interest_lies_within_the_scenes(series: Series, tmp_path: Path) -> None:
    area = shape(aoi_of(series))
    west, south, east, north = transform_bounds(
        "EPSG:32720", "EPSG:4326", 600_000, 8_360_000 - 91 * 3, 600_000 + 53 * 3, 8_360_000
    )
    assert area.is_valid
    assert box(west, south, east, north).contains(area)
    assert isinstance(area, Polygon)
    assert area.exterior.is_ccw


@pytest.mark.parametrize(("rows", "cols", "count"), [(37, 53, 2), (37, 53, 1), (300, 40, 4), (1500, 8, 2)])
def test_strips_cover_the_landscape(rows: int, cols: int, count: int) -> None:
    seen = np.zeros((rows, cols), int)
    for strip in cut_strips((rows, cols), count, None, None, seed=1):
        seen[strip.top : strip.top + len(strip.valid)] += strip.valid
    assert seen.min() == 1
    assert count == 1 or seen.max() == 2


@pytest.mark.parametrize("wrong", [{"overlap_px": 2, "edge_px": 5}, {"count": 0}, {"overlap_px": 40}])
def test_strips_that_leave_gaps_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecRefused):
        cut_strips((37, 53), **{"count": 2, "overlap_px": None, "edge_px": None, **wrong}, seed=0)


@pytest.mark.parametrize("product", ["sr", "radiance"])
def test_ingest_reads_what_was_written(series: Series, tmp_path: Path, product: Any) -> None:
    first = write_bundles(series, tmp_path / "bundles", scenes_per_date=1, product=product)[0]
    scene = ingest(first.image, tmp_path / "scene", IngestOptions("s1"))
    assert scene.bands == ("blue", "green", "red", "nir")
    assert scene.satellite == series.satellites[0]
    assert abs((scene.acquired - first.acquired).total_seconds()) < 1
    with rasterio.open(scene.reflectance) as reflectance, rasterio.open(scene.clear) as clear:
        np.testing.assert_allclose(reflectance.read() * 1e-4, series.reflectance[0], atol=1.1e-4)
        np.testing.assert_array_equal(clear.read(1) == 1, series.clear[0])
