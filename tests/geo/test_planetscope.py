"""PlanetScope: names, metadata, bundles, and what ingest makes of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geo.bands import PLANETSCOPE_4, PLANETSCOPE_8
from geo.bundle import Bundle, bundle_of, find_bundles
from geo.errors import SceneRejected
from geo.ingest import IngestOptions, ingest
from geo.metadata import read_metadata
from geo.planetscope import Content, parse_name
from tests.geo.planet import DOVE, SUPERDOVE, UDM2_BANDS, item_json, product_xml, udm2_values, write_delivery
from tests.geo.rasters import SHAPE, numbers, read_scene, write_tif

REAL = Path(__file__).parents[3] / "shared" / "data" / "planetscope"


def properties(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "item.json").read_text())["properties"]
    return found


@pytest.mark.parametrize(
    ("name", "item_id", "second", "content", "eight"),
    [
        ("20200727_014458_104b_3B_AnalyticMS_SR.tif", DOVE, "58", Content.SURFACE_REFLECTANCE, False),
        ("20200727_014458_104b_3B_AnalyticMS_SR_clip.tif", DOVE, "58", Content.SURFACE_REFLECTANCE, False),
        ("20200727_014458_104b_3B_AnalyticMS_SR_harmonized_clip.tif", DOVE, "58", Content.SURFACE_REFLECTANCE, False),
        ("20200727_014458_104B_3B_ANALYTICMS.TIF", DOVE, "58", Content.RADIANCE, False),
        ("20200906_024424_51_2259_3B_AnalyticMS_SR_8b.tif", SUPERDOVE, "24.51", Content.SURFACE_REFLECTANCE, True),
        ("20200906_024424_51_2259_3B_AnalyticMS_8b_clip.tif", SUPERDOVE, "24.51", Content.RADIANCE, True),
        ("20200906_024424_51_2259_3B_udm2_clip.tif", SUPERDOVE, "24.51", Content.UDM2, False),
        ("20200727_014458_104b_3B_AnalyticMS_DN_udm.tif", DOVE, "58", Content.UDM, False),
        ("20200727_014458_104b_3B_AnalyticMS_DN_udm_clip.tif", DOVE, "58", Content.UDM, False),
        ("20200727_014458_104b_3B_AnalyticMS_metadata.xml", DOVE, "58", Content.XML, False),
        ("20200906_024424_51_2259_3B_AnalyticMS_8b_metadata_clip.xml", SUPERDOVE, "24.51", Content.XML, True),
        ("20200727_014458_104b_metadata.json", DOVE, "58", Content.JSON, False),
        ("20200727_014458_104b_3B_Visual.tif", DOVE, "58", Content.OTHER, False),
    ],
)
def test_names(name: str, item_id: str, second: str, content: Content, eight: bool) -> None:
    planet = parse_name(name)
    assert planet is not None
    assert (planet.item_id, planet.content, planet.eight_bands) == (item_id, content, eight)
    assert planet.satellite == item_id.rsplit("_", 1)[1]
    assert f"{planet.acquired:%S.%f}".startswith(second)
    assert planet.acquired.tzinfo is UTC


@pytest.mark.parametrize(
    "name", ["pre_fire.tif", "20201327_014458_104b_3B_udm2.tif", "20200727.tif", "x_20200727_014458_104b.tif"]
)
def test_other_names(name: str) -> None:
    assert parse_name(name) is None


def test_four_band_surface_reflectance(tmp_path: Path) -> None:
    clear = np.random.default_rng(5).random(SHAPE) < 0.5
    path = write_delivery(tmp_path / "in", clear=clear)
    scene = ingest(path, tmp_path / "out", IngestOptions("s"))
    found, found_clear = read_scene(tmp_path / "out")
    assert np.array_equal(found, numbers())
    assert np.array_equal(found_clear, clear)
    assert (scene.bands, scene.satellite) == (PLANETSCOPE_4, "104b")
    assert scene.acquired == datetime(2020, 7, 27, 1, 44, 58, 123456, UTC)
    said = properties(tmp_path / "out")
    assert said["platform"] == "104b"
    assert said["constellation"] == "planetscope"
    assert said["instruments"] == ["psb.sd"]
    assert said["eo:cloud_cover"] == 25
    assert (said["view:off_nadir"], said["view:azimuth"]) == (3.1, 98.5)
    assert (said["view:sun_azimuth"], said["view:sun_elevation"]) == (61.2, 38.4)
    assert said["chronoseg:mask_source"] == "UDM2"
    assert said["chronoseg:scale_source"] == "PlanetScope surface reflectance"
    assert said["chronoseg:clear_pct"] == pytest.approx(100 * clear.mean(), abs=0.01)


def test_eight_band_surface_reflectance(tmp_path: Path) -> None:
    path = write_delivery(tmp_path / "in", SUPERDOVE, bands=8)
    scene = ingest(path, tmp_path / "out", IngestOptions("s"))
    assert scene.bands == PLANETSCOPE_8
    assert np.array_equal(read_scene(tmp_path / "out")[0], numbers(bands=8))


@pytest.mark.parametrize(("item_id", "bands"), [(DOVE, 4), (SUPERDOVE, 8)])
def test_radiance_becomes_reflectance_by_the_coefficients(tmp_path: Path, item_id: str, bands: int) -> None:
    path = write_delivery(tmp_path / "in", item_id, bands=bands, product="AnalyticMS", xml=True)
    ingest(path, tmp_path / "out", IngestOptions("s"))
    factors = np.array([2e-5 + n * 1e-6 for n in range(bands)])
    expected = np.clip(np.rint(numbers(bands=bands) * factors[:, None, None] * 1e4), 1, 65535)
    assert np.abs(read_scene(tmp_path / "out")[0] - expected).max() <= 1
    said = properties(tmp_path / "out")
    assert "reflectanceCoefficient" in said["chronoseg:scale_source"]
    assert said["chronoseg:scale"] == pytest.approx(factors)


def test_radiance_without_coefficients_is_refused(tmp_path: Path) -> None:
    path = write_delivery(tmp_path / "in", product="AnalyticMS")
    with pytest.raises(SceneRejected, match=r"metadata\.xml"):
        ingest(path, tmp_path / "out", IngestOptions("s"))


def test_renamed_planetscope_is_recognised_by_its_metadata(tmp_path: Path) -> None:
    image = write_tif(tmp_path / "image.tif", numbers(), roles=None)
    metadata = tmp_path / "told.json"
    metadata.write_text(item_json(DOVE))
    with pytest.raises(SceneRejected, match="surface reflectance or radiance"):
        ingest(image, tmp_path / "no", IngestOptions("s", metadata=metadata))
    scene = ingest(image, tmp_path / "out", IngestOptions("s", metadata=metadata, scale=1e-4))
    assert (scene.bands, scene.satellite) == (PLANETSCOPE_4, "104b")
    tags = {"TIFFTAG_IMAGEDESCRIPTION": '{"atmospheric_correction": {"aerosol_model": "continental"}}'}
    marked = write_tif(tmp_path / "marked.tif", numbers(), roles=None, tags=tags)
    ingest(marked, tmp_path / "marked", IngestOptions("s", metadata=metadata))
    assert properties(tmp_path / "marked")["chronoseg:scale_source"] == "PlanetScope surface reflectance"


def test_old_udm_and_name_alone(tmp_path: Path) -> None:
    bits = np.random.default_rng(2).choice(np.array([0, 0, 1, 2, 4, 18], np.uint8), (1, *SHAPE))
    image = write_tif(tmp_path / f"{DOVE}_3B_AnalyticMS_SR.tif", numbers(), roles=None)
    write_tif(tmp_path / f"{DOVE}_3B_AnalyticMS_DN_udm.tif", bits, roles=None)
    scene = ingest(image, tmp_path / "out", IngestOptions("s"))
    assert np.array_equal(read_scene(tmp_path / "out")[1], bits[0] == 0)
    assert scene.acquired == datetime(2020, 7, 27, 1, 44, 58, tzinfo=UTC)
    assert scene.satellite == "104b"
    assert properties(tmp_path / "out")["chronoseg:mask_source"].startswith("UDM (")


def test_files_of_another_scene_are_refused(tmp_path: Path) -> None:
    path = write_delivery(tmp_path / "in")
    wrong_json = tmp_path / f"{SUPERDOVE}_metadata.json"
    wrong_json.write_text(item_json(SUPERDOVE))
    wrong_mask = write_tif(tmp_path / f"{SUPERDOVE}_3B_udm2.tif", udm2_values(np.ones(SHAPE, bool)), roles=UDM2_BANDS)
    for options in (IngestOptions("s", metadata=wrong_json), IngestOptions("s", udm2=wrong_mask)):
        with pytest.raises(SceneRejected, match=SUPERDOVE):
            ingest(path, tmp_path / "out", options)
    with pytest.raises(SceneRejected, match="is a mask"):
        ingest(tmp_path / "in" / f"{DOVE}_3B_udm2.tif", tmp_path / "out", IngestOptions("s"))


def test_json_goes_before_xml_and_xml_before_the_name(tmp_path: Path) -> None:
    path = write_delivery(tmp_path / "in", xml=True)
    (tmp_path / "in" / f"{DOVE}_metadata.json").unlink()
    ingest(path, tmp_path / "out", IngestOptions("s"))
    said = properties(tmp_path / "out")
    assert said["datetime"] == "2020-07-27T01:44:58Z"
    assert said["chronoseg:acquired_source"] == "metadata"
    assert said["view:azimuth"] == pytest.approx(347.2)
    assert (said["eo:cloud_cover"], said["view:incidence_angle"], said["instruments"]) == (12.5, 3.5, ["ps2"])


def test_zero_is_said_and_not_missing(tmp_path: Path) -> None:
    clear_sky = tmp_path / "a_metadata.json"
    clear_sky.write_text(item_json(DOVE, cloud_cover=0, view_angle=0))
    cloudy = tmp_path / "b_metadata.xml"
    cloudy.write_text(product_xml(DOVE, (1e-5,)))
    both = read_metadata(clear_sky).or_else(read_metadata(cloudy))
    assert (both.cloud_pct, both.off_nadir_deg, both.incidence_deg) == (0, 0, 3.5)
    assert dict(both.coefficients) == {1: 1e-5}


BOMB = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "' + "x" * 64 + '"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>'
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a>&b;</a>'


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (BOMB, "not safe"),
        (OUTSIDE, "not safe"),
        ("<a><b></a>", "not safe"),
        ('<?xml version="1.0" encoding="no-such"?><a/>', "not safe"),
        ("{" * 100_000, "JSON"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "JSON"),
        ('{"properties": []}', "properties"),
        ("[1, 2]", "neither JSON nor XML"),
        ("", "neither JSON nor XML"),
        ('{"properties": {"acquired": "yesterday"}}', "yesterday"),
        ('{"properties": {"acquired": 20200727}}', "20200727"),
        (product_xml(DOVE, (-1.0,)), "reflectanceCoefficient"),
        (product_xml(DOVE, (float("nan"),)), "reflectanceCoefficient"),
        (product_xml(DOVE, (), acquired="never"), "never"),
    ],
)
def test_hostile_metadata(tmp_path: Path, content: str, expected: str) -> None:
    path = tmp_path / "metadata"
    path.write_text(content)
    with pytest.raises(SceneRejected, match=expected):
        read_metadata(path)


def test_odd_metadata_values_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metadata.json"
    odd: dict[str, object] = {
        "cloud_cover": 7,
        "view_angle": "x",
        "sun_elevation": [1],
        "sun_azimuth": 1e999,
        "satellite_id": 5,
    }
    path.write_text(item_json(DOVE, **odd))
    metadata = read_metadata(path)
    assert (
        metadata.cloud_pct is metadata.off_nadir_deg is metadata.sun_elevation_deg is metadata.sun_azimuth_deg is None
    )
    assert metadata.satellite == ""


def test_bundles(tmp_path: Path) -> None:
    names = [
        f"{DOVE}_3B_AnalyticMS.tif",
        f"{DOVE}_3B_AnalyticMS_SR.tif",
        f"{DOVE}_3B_AnalyticMS_metadata.xml",
        f"{DOVE}_3B_AnalyticMS_DN_udm.tif",
        f"{DOVE}_3B_udm2.tif",
        f"{DOVE}_3B_Visual.tif",
        f"{DOVE}_metadata.json",
        f"{SUPERDOVE}_3B_AnalyticMS_SR_8b_clip.tif",
        f"{SUPERDOVE}_3B_AnalyticMS_SR.tif",
        f"{SUPERDOVE}_3B_AnalyticMS_metadata.xml",
        f"{SUPERDOVE}_3B_AnalyticMS_8b_metadata.xml",
        "20210101_000000_1234_metadata.json",
        "other.tif",
        "other_udm2.tif",
        "other_metadata.json",
        "manifest.json",
        "notes.txt",
    ]
    paths = {name: tmp_path / name for name in names}
    for path in paths.values():
        path.touch()
    dove, superdove, other = find_bundles(paths.values())
    assert dove == Bundle(
        paths[f"{DOVE}_3B_AnalyticMS_SR.tif"],
        paths[f"{DOVE}_3B_udm2.tif"],
        paths[f"{DOVE}_3B_AnalyticMS_metadata.xml"],
        paths[f"{DOVE}_metadata.json"],
    )
    assert superdove.image.name == f"{SUPERDOVE}_3B_AnalyticMS_SR_8b_clip.tif"
    assert superdove.metadata_xml == paths[f"{SUPERDOVE}_3B_AnalyticMS_8b_metadata.xml"]
    assert other == Bundle(paths["other.tif"], paths["other_udm2.tif"], None, paths["other_metadata.json"])
    assert [b.name for b in (dove, superdove, other)] == [DOVE, SUPERDOVE, "other"]
    assert bundle_of(paths["other.tif"]) == other
    radiance = bundle_of(paths[f"{DOVE}_3B_AnalyticMS.tif"])
    assert radiance.image == paths[f"{DOVE}_3B_AnalyticMS.tif"]
    assert radiance.udm2 == paths[f"{DOVE}_3B_udm2.tif"]
    assert bundle_of(paths[f"{DOVE}_3B_Visual.tif"]) == Bundle(paths[f"{DOVE}_3B_Visual.tif"])


@pytest.mark.skipif(not REAL.is_dir(), reason="no ../shared/data/planetscope")
def test_real_xml(tmp_path: Path) -> None:
    metadata = read_metadata(REAL / "test_scene_cropped_metadata.xml")
    assert metadata.acquired == datetime(2016, 8, 31, 18, 2, 57, tzinfo=UTC)
    assert (metadata.satellite, metadata.instrument, metadata.planetscope) == ("0e26", "PS2", True)
    assert (metadata.off_nadir_deg, metadata.incidence_deg) == (3.170349, 3.517011)
    assert (metadata.view_azimuth_deg, metadata.sun_azimuth_deg, metadata.sun_elevation_deg) == (
        12.82015,
        129.0017,
        49.09751,
    )
    assert metadata.cloud_pct == 0
    assert metadata.coefficients[4] == 3.8835539237005976e-05
    path = write_tif(tmp_path / "20160831_180257_0e26_3B_AnalyticMS.tif", numbers(), roles=None, nodata=0)
    options = IngestOptions("s", metadata=REAL / "test_scene_cropped_metadata.xml")
    ingest(path, tmp_path / "out", options)
    factors = np.array([metadata.coefficients[n] for n in range(1, 5)])
    expected = np.clip(np.rint(numbers() * factors[:, None, None] * 1e4), 1, None)
    assert np.abs(read_scene(tmp_path / "out")[0] - expected).max() <= 1
