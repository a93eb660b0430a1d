from __future__ import annotations

import hashlib
import json
from pathlib import Path

import geopandas
import numpy as np
import pyarrow.parquet
import pyogrio
import pytest
import shapely

from geo.polygons import Regions
from geo.vector_tables import write_flatgeobuf, write_geoparquet
from tests.geo.block_files import LEGEND, Whole
from tests.geo.test_polygons import DATES, GRIDS, regions_of, whole, written

__all__ = ["whole"]  # a fixture
WRITERS = {"fgb": write_flatgeobuf, "parquet": write_geoparquet}


def _read(path: Path) -> geopandas.GeoDataFrame:
    return geopandas.read_parquet(path) if path.suffix == ".parquet" else geopandas.read_file(path)


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("grid", GRIDS)
def test_the_same_regions_as_in_the_geojson(whole: Whole, tmp_path: Path, grid: str, suffix: str) -> None:
    regions = regions_of(whole, GRIDS[grid], tmp_path)
    path = tmp_path / f"polygons.{suffix}"
    WRITERS[suffix](regions, GRIDS[grid], DATES, LEGEND, path)
    frame = _read(path)
    assert frame.crs.to_authority() in (("OGC", "CRS84"), ("EPSG", "4326"))
    features = written(regions, GRIDS[grid], tmp_path)
    assert len(frame) == len(features)
    told = {
        (row["class"], row.class_id, str(row.first_seen)[:10], str(row.last_seen)[:10], row.area_ha,
         row.mean_confidence, shapely.normalize(shapely.MultiPolygon(shapely.get_parts(row.geometry).tolist())).wkt)
        for _, row in frame.iterrows()
    }  # fmt: skip
    expected = {
        (*feature["properties"].values(),
         shapely.normalize(shapely.MultiPolygon(shapely.get_parts(shapely.geometry.shape(feature["geometry"])).tolist())).wkt)
        for feature in features
    }  # fmt: skip
    assert told == expected


@pytest.mark.parametrize("suffix", WRITERS)
def test_the_same_regions_give_the_same_bytes(whole: Whole, tmp_path: Path, suffix: str) -> None:
    regions = regions_of(whole, GRIDS["utm"], tmp_path)
    for name in ("one", "other"):
        WRITERS[suffix](regions, GRIDS["utm"], DATES, LEGEND, tmp_path / f"{name}.{suffix}")
    one, other = (hashlib.sha256((tmp_path / f"{name}.{suffix}").read_bytes()).digest() for name in ("one", "other"))
    assert one == other


@pytest.mark.parametrize("suffix", WRITERS)
def test_no_region_at_all_is_a_file_all_the_same(whole: Whole, tmp_path: Path, suffix: str) -> None:
    regions = regions_of(whole, GRIDS["utm"], tmp_path)
    none = Regions(**{name: value[:0] for name, value in vars(regions).items()})
    path = tmp_path / f"polygons.{suffix}"
    WRITERS[suffix](none, GRIDS["utm"], DATES, LEGEND, path)
    assert len(_read(path)) == 0


def test_parts_are_found_without_reading_all(whole: Whole, tmp_path: Path) -> None:
    regions = regions_of(whole, GRIDS["utm"], tmp_path)
    write_flatgeobuf(regions, GRIDS["utm"], DATES, LEGEND, tmp_path / "polygons.fgb")
    assert pyogrio.read_info(tmp_path / "polygons.fgb")["capabilities"]["fast_spatial_filter"]
    write_geoparquet(regions, GRIDS["utm"], DATES, LEGEND, tmp_path / "polygons.parquet")
    frame = geopandas.read_parquet(tmp_path / "polygons.parquet")
    some = tuple(frame.geometry.iloc[0].bounds)
    found = geopandas.read_parquet(tmp_path / "polygons.parquet", bbox=some)
    assert 0 < len(found) <= len(frame)
    about = json.loads(pyarrow.parquet.read_metadata(tmp_path / "polygons.parquet").metadata[b"geo"])
    assert about["version"] == "1.1.0"
    assert np.allclose(about["columns"]["geometry"]["bbox"], frame.total_bounds)
