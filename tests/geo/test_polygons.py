"""Polygons: one per region, exact shared edges, true to the pixels, RFC 7946, everywhere on the earth."""

from __future__ import annotations

import hashlib
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Geod
from rasterio.features import rasterize

from geo.areas import pixel_areas
from geo.mosaic import Layer, mosaic_vrt
from geo.outlines import OFFSET_GRID, batches
from geo.polygons import Regions, Sources, find_regions
from geo.vector_tables import write_geopackage
from geo.vectors import write_geojson
from tests.geo.block_files import DAYS, LEGEND, Whole, burning, folders, write_blocks

SHAPE = (331, 290)
DATES = [date(1970, 1, 1) + timedelta(days=day) for day in DAYS]
GRIDS = {
    "utm": GeoBox(SHAPE, Affine(3, 0, 600_000, 0, -3, 4_100_000), "EPSG:32610"),
    "utm, 30 m pixels": GeoBox(SHAPE, Affine(30, 0, 600_000, 0, -30, 7_100_000), "EPSG:32633"),
    "utm zone 1 over the antimeridian": GeoBox(SHAPE, Affine(30, 0, 229_000, 0, -30, 4_100_000), "EPSG:32601"),
    "utm zone 60 over the antimeridian": GeoBox(SHAPE, Affine(30, 0, 809_500, 0, -30, 7_800_000), "EPSG:32760"),
    "degrees": GeoBox(SHAPE, Affine(2e-4, 0, 24.0, 0, -2e-4, 60.1), "EPSG:4326"),
    "degrees over 180": GeoBox(SHAPE, Affine(2e-4, 0, 179.97, 0, -2e-4, -17.0), "EPSG:4326"),
    "degrees below -180": GeoBox(SHAPE, Affine(2e-4, 0, -180.02, 0, -2e-4, -17.0), "EPSG:4326"),
}


@pytest.fixture(scope="module")
def whole() -> Whole:
    return burning(SHAPE, seed=5)


def regions_of(whole: Whole, geobox: GeoBox, folder: Path, **options: float) -> Regions:
    blocks = write_blocks(whole, geobox, 100, folder)
    block_folder = folders(folder)

    def source(file: str, layer: Layer) -> str:
        return mosaic_vrt(geobox, blocks, lambda index: block_folder(index) / file, layer)

    change, first, last, confidence = (source("summary.tif", Layer(n, "int32", "int32", 0)) for n in (1, 2, 3, 4))
    mask = source("masks.tif", Layer(len(whole.masks), "uint8", "uint8", 255))
    return find_regions(geobox, Sources(change, first, last, confidence, mask), folder, **options)


def burned_back(regions: Regions, values: NDArray[Any]) -> NDArray[np.int32]:
    """Rasterise the outlines again, each with its value; -1 elsewhere."""
    moved = shapely.transform(regions.outlines, lambda vertices: vertices + np.array([1, 0]))
    pairs = zip(moved, values, strict=True)
    image: NDArray[np.int32] = rasterize(pairs, SHAPE, fill=-1, transform=OFFSET_GRID, dtype="int32")
    return image


def written(regions: Regions, geobox: GeoBox, folder: Path) -> list[dict[str, Any]]:
    write_geojson(regions, geobox, DATES, LEGEND, folder / "polygons.geojson")
    collection: dict[str, Any] = json.loads((folder / "polygons.geojson").read_text())
    assert collection["type"] == "FeatureCollection"
    features: list[dict[str, Any]] = collection["features"]
    return features


def test_rasterised_back_they_are_the_mask(whole: Whole, tmp_path: Path) -> None:
    regions = regions_of(whole, GRIDS["utm"], tmp_path)
    mask = whole.masks[-1].astype(np.int32)
    assert np.array_equal(burned_back(regions, regions.class_id), np.where(mask == 255, -1, mask))
    changed = whole.summary[0] > 0
    first = burned_back(regions, regions.first_seen)
    assert np.array_equal(first[changed], whole.summary[1][changed] - 1)


def test_what_a_region_says_of_its_pixels(whole: Whole, tmp_path: Path) -> None:
    regions = regions_of(whole, GRIDS["utm"], tmp_path)
    number = burned_back(regions, np.arange(len(regions.outlines)))
    _, first_seen, last_seen, confidence, _ = whole.summary
    pixel_m2 = pixel_areas(GRIDS["utm"]).window(0, 0, *SHAPE)
    for i in range(0, len(regions.outlines), 5):
        inside = number == i
        assert regions.area_ha[i] == pytest.approx(pixel_m2[inside].sum() / 10_000)
        assert regions.mean_confidence[i] == pytest.approx(confidence[inside].mean())
        assert regions.last_seen[i] == last_seen[inside].max() - 1
        assert regions.first_seen[i] == first_seen[inside].min() - 1


@pytest.mark.parametrize("simplify_px", [0.0, 0.8, 3.0])
@pytest.mark.parametrize("min_area_ha", [0.0, 0.05])
def test_neighbours_share_their_edges(whole: Whole, tmp_path: Path, simplify_px: float, min_area_ha: float) -> None:
    regions = regions_of(whole, GRIDS["utm"], tmp_path, simplify_px=simplify_px, min_area_ha=min_area_ha)
    assert shapely.is_valid(regions.outlines).all()
    assert shapely.coverage_is_valid(regions.outlines)
    union = shapely.union_all(regions.outlines)
    assert shapely.area(regions.outlines).sum() == pytest.approx(union.area, rel=1e-12)
    assert regions.area_ha.min() >= min_area_ha
    plain = regions_of(whole, GRIDS["utm"], tmp_path / "plain", min_area_ha=min_area_ha)
    assert len(plain.outlines) == len(regions.outlines)
    if simplify_px:
        kept = shapely.get_num_coordinates(regions.outlines).sum() / shapely.get_num_coordinates(plain.outlines).sum()
        assert kept < 0.7


def test_noise_too_is_a_coverage(tmp_path: Path) -> None:
    rng, shape = np.random.default_rng(2), (150, 101)
    noise = Whole(
        masks=rng.choice(np.array([0, 1, 255], np.uint8), (1, *shape), p=[0.45, 0.45, 0.1]),
        observed=np.ones((1, *shape), np.uint8),
        summary=rng.integers(1, 3, (5, *shape), np.int32),
    )
    geobox = GRIDS["utm"][:150, :101]
    regions = regions_of(noise, geobox, tmp_path, simplify_px=1.0)
    assert shapely.is_valid(regions.outlines).all()
    assert shapely.coverage_is_valid(regions.outlines)
    merged = regions_of(noise, geobox, tmp_path / "merged", min_area_ha=0.01)
    assert merged.area_ha.min() >= 0.01
    assert shapely.coverage_is_valid(merged.outlines)


@pytest.mark.parametrize("grid", GRIDS)
def test_geojson_keeps_to_rfc_7946(whole: Whole, grid: str, tmp_path: Path) -> None:
    regions = regions_of(whole, GRIDS[grid], tmp_path, simplify_px=1.0)
    features = written(regions, GRIDS[grid], tmp_path)
    geometries = np.array([shapely.geometry.shape(f["geometry"]) for f in features])
    parts = shapely.get_parts(geometries)
    assert shapely.is_valid(geometries).all()
    assert all(part.exterior.is_ccw and not any(hole.is_ccw for hole in part.interiors) for part in parts)
    west, south, east, north = shapely.total_bounds(geometries)
    assert -180 <= west < east <= 180
    assert -90 <= south < north <= 90
    assert np.array_equal(shapely.get_coordinates(parts), np.round(shapely.get_coordinates(parts), 7))
    over = "antimeridian" in grid or "180" in grid
    assert ((east - west) > 359.9) == over
    assert any(g.geom_type == "MultiPolygon" for g in geometries) == over
    assert (shapely.bounds(parts)[:, 2] - shapely.bounds(parts)[:, 0]).max() < 1
    assert shapely.coverage_is_valid(parts)
    assert [f["id"] for f in features] == list(range(1, len(features) + 1))


@pytest.mark.parametrize("grid", GRIDS)
def test_area_is_the_geodesic_one(whole: Whole, grid: str, tmp_path: Path) -> None:
    regions = regions_of(whole, GRIDS[grid], tmp_path, min_area_ha=0.1)
    geod = Geod(ellps="WGS84")
    for feature in sorted(written(regions, GRIDS[grid], tmp_path), key=lambda f: -f["properties"]["area_ha"])[:10]:
        geometry = shapely.geometry.shape(feature["geometry"])
        measured_ha = abs(geod.geometry_area_perimeter(geometry)[0]) / 10_000
        assert feature["properties"]["area_ha"] == pytest.approx(measured_ha, rel=1e-4, abs=1e-3)


def test_work_in_batches_changes_nothing(whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = regions_of(whole, GRIDS["utm"], tmp_path / "one")
    write_geojson(one, GRIDS["utm"], DATES, LEGEND, tmp_path / "one.geojson")
    monkeypatch.setattr("geo.outlines.VERTICES_AT_ONCE", 50)
    many = regions_of(whole, GRIDS["utm"], tmp_path / "many")
    assert len(list(batches(many.outlines))) > 10
    write_geojson(many, GRIDS["utm"], DATES, LEGEND, tmp_path / "many.geojson")
    assert (tmp_path / "one.geojson").read_bytes() == (tmp_path / "many.geojson").read_bytes()


def test_properties_are_those_that_were_promised(whole: Whole, tmp_path: Path) -> None:
    regions = regions_of(whole, GRIDS["utm"], tmp_path)
    features = written(regions, GRIDS["utm"], tmp_path)
    assert {f["properties"]["class"] for f in features} == {"unburned", "burned"}
    for feature in features:
        properties = feature["properties"]
        assert list(properties) == ["class", "class_id", "first_seen", "last_seen", "area_ha", "mean_confidence"]
        assert "2020-08-01" <= properties["first_seen"] <= properties["last_seen"] <= "2020-08-28"
        assert 0 <= properties["mean_confidence"] <= 100
    rings = {f["properties"]["first_seen"] for f in features if f["properties"]["class"] == "burned"}
    assert rings == {"2020-08-01", "2020-08-09", "2020-08-17", "2020-08-28"}


def test_geopackage_holds_the_same_in_the_grid_s_crs(whole: Whole, tmp_path: Path) -> None:
    regions = regions_of(whole, GRIDS["utm"], tmp_path, simplify_px=1.0)
    write_geopackage(regions, GRIDS["utm"], DATES, LEGEND, tmp_path / "polygons.gpkg")
    frame = geopandas.read_file(tmp_path / "polygons.gpkg", layer="polygons")
    assert frame.crs.to_epsg() == 32610
    assert str(frame["first_seen"].dtype).startswith("datetime64")
    expected = [f["properties"] for f in written(regions, GRIDS["utm"], tmp_path)]
    for column in ("class", "class_id", "area_ha", "mean_confidence"):
        assert frame[column].tolist() == [p[column] for p in expected]
    for column in ("first_seen", "last_seen"):
        assert [day.date().isoformat() for day in frame[column]] == [p[column] for p in expected]
    assert shapely.coverage_is_valid(frame.geometry.to_numpy())
    assert frame.total_bounds[[0, 3]].tolist() >= [600_000, 4_100_000 - 3 * SHAPE[0]]
    first = hashlib.sha256((tmp_path / "polygons.gpkg").read_bytes()).hexdigest()
    write_geopackage(regions, GRIDS["utm"], DATES, LEGEND, tmp_path / "again.gpkg")
    assert hashlib.sha256((tmp_path / "again.gpkg").read_bytes()).hexdigest() == first
