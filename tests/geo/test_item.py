"""STAC Items of scenes: valid by the standard's own schemas, and read back without loss."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pystac
import pytest
from affine import Affine
from jsonschema import Draft7Validator
from odc.geo.geobox import GeoBox
from pystac.validation.local_validator import get_local_schema_cache
from referencing import Registry, Resource
from shapely.geometry import MultiPolygon, box

from geo.item import EXTENSIONS, scene_item
from geo.metadata import Metadata
from geo.scene import Scene, scene_from_item

SCENE = Scene(
    id="a",
    acquired=datetime(2020, 7, 27, 1, 44, 58, 510_000, UTC),
    satellite="104b",
    bands=("blue", "green", "red", "nir"),
    reflectance="reflectance.tif",
    clear="clear.tif",
    geobox=GeoBox((37, 53), Affine(3, 0, 600_000, 0, -3, 4_200_000), "EPSG:32610"),
    footprint=box(-121.9, 37.9, -121.8, 38.0),
)
SAID = Metadata(
    instrument="PSB.SD", planetscope=True, off_nadir_deg=3.1, incidence_deg=3.4, view_azimuth_deg=98.0,
    sun_azimuth_deg=61.0, sun_elevation_deg=38.0, cloud_pct=0.0,
)  # fmt: skip


def check(item: dict[str, Any]) -> None:
    """Validate against the schemas of STAC 1.1 that pystac brings along; no network."""
    schemas = get_local_schema_cache()
    registry = Registry().with_resources([(uri, Resource.from_contents(s)) for uri, s in schemas.items()])
    [schema] = [s for uri, s in schemas.items() if uri.endswith("/item.json")]
    errors = [error.message for error in Draft7Validator(schema, registry=registry).iter_errors(item)]
    assert errors == []


@pytest.mark.parametrize("metadata", [None, SAID])
def test_item_is_valid(metadata: Metadata | None) -> None:
    item = scene_item(SCENE, metadata, {"chronoseg:scale": 1e-4})
    check(item)
    assert json.loads(json.dumps(item)) == item
    assert item["stac_version"] == "1.1.0"
    assert (EXTENSIONS["view"] in item["stac_extensions"]) is (metadata is not None)
    properties = item["properties"]
    assert properties["datetime"] == "2020-07-27T01:44:58.510000Z"
    assert properties["proj:code"] == "EPSG:32610"
    assert properties["proj:shape"] == [37, 53]
    assert properties["proj:transform"] == [3, 0, 600_000, 0, -3, 4_200_000]
    assert properties["gsd"] == 3
    assert item["bbox"] == [-121.9, 37.9, -121.8, 38.0]
    if metadata is not None:
        assert properties["eo:cloud_cover"] == 0
        assert properties["view:sun_elevation"] == 38
    bands = item["assets"]["reflectance"]["bands"]
    assert [band["eo:common_name"] for band in bands] == list(SCENE.bands)
    assert {(band["data_type"], band["nodata"], band["raster:scale"]) for band in bands} == {("uint16", 0, 1e-4)}
    assert {asset["type"] for asset in item["assets"].values()} == {pystac.MediaType.COG}


def test_pystac_reads_it() -> None:
    item = pystac.Item.from_dict(scene_item(SCENE, SAID))
    assert item.datetime == SCENE.acquired
    assert item.ext.proj.code == "EPSG:32610"
    assert item.ext.view.off_nadir == 3.1


def test_round_trip_across_the_antimeridian() -> None:
    parts = MultiPolygon([box(179.5, 10, 180, 11), box(-180, 10, -179.2, 11)])
    scene = replace(SCENE, footprint=parts, satellite="")
    item = scene_item(scene)
    check(item)
    assert item["bbox"] == [179.5, 10, -179.2, 11]
    assert "platform" not in item["properties"]
    assert scene_from_item(item, lambda href: href) == scene
