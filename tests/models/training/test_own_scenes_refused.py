"""One's own scenes that cannot be learned from: each reason is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from affine import Affine

from models.errors import ConfigRefused, DataRefused
from models.training.datasets.scenes_places import Places
from models.training.scenes_config import ScenesConfig
from tests.geo.rasters import write_tif
from tests.models.training.own_labels import (
    UTM,
    WEST_NORTH,
    open_scenes,
    square,
    write_one_scene,
    write_polygons,
    write_scene,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_one_scene(tmp_path)


def test_labels_over_no_scene_are_told_where_both_lie(folder: Path) -> None:
    write_polygons(folder / "labels.geojson", [("trees", square(90_000, 0, 91_000, 1000))])
    with pytest.raises(
        DataRefused, match=r"over none of the 1 scene\(s\): labels at longitude -74.18.*a.tif at longitude -7"
    ):
        open_scenes(folder)
    raster = folder / "labels.tif"
    far = Affine(10, 0, WEST_NORTH[0] + 90_000, 0, -10, WEST_NORTH[1])
    write_tif(raster, np.ones((1, 50, 50), np.uint8), crs=UTM, transform=far, roles=None)
    with pytest.raises(DataRefused, match=r"labels lie over none .*check the CRS of both"):
        open_scenes(folder, labels="labels.tif")


@pytest.mark.parametrize("name", ["labels.geojson", "labels.gpkg"])
def test_classes_that_the_legend_lacks_are_named(folder: Path, name: str) -> None:
    write_polygons(folder / name, [("trees", square(0, 0, 600, 1200)), ("swamp", square(600, 0, 900, 900))])
    with pytest.raises(
        DataRefused, match=r"'class' holds 'swamp' \(1 polygons\), .*\(0 bare, 1 trees, 2 water\) lacks"
    ):
        open_scenes(folder, labels=name)
    assert open_scenes(folder, labels=name, void=("swamp",)).pictures("train")
    every = {"trees": "trees", "swamp": "water"}
    assert open_scenes(folder, labels=name, classes=every).frequencies(3).pixels_K[2] > 0
    with pytest.raises(DataRefused, match=r"holds 'swamp'"):
        open_scenes(folder, labels=name, classes={"trees": "trees"})


def test_labels_of_a_raster_that_mean_nothing_are_named(folder: Path) -> None:
    transform = Affine(10, 0, WEST_NORTH[0], 0, -10, WEST_NORTH[1])
    values = np.ones((1, 120, 120), np.uint8)
    values[0, :2] = 9
    write_tif(folder / "labels.tif", values, crs=UTM, transform=transform, roles=None)
    with pytest.raises(DataRefused, match=r"labels.tif holds '9' \(240 px over a.tif\), which the legend .* lacks"):
        open_scenes(folder, labels="labels.tif")
    assert open_scenes(folder, labels="labels.tif", void=(9,)).frequencies(3).pixels_K[1] > 0


def test_classes_may_be_ids_or_names_in_any_case(folder: Path) -> None:
    write_polygons(folder / "labels.geojson", [(1, square(0, 0, 600, 1200)), (2, square(600, 0, 1200, 1200))])
    by_id = open_scenes(folder)
    write_polygons(
        folder / "labels.geojson", [("TREES", square(0, 0, 600, 1200)), ("Water", square(600, 0, 1200, 1200))]
    )
    assert np.array_equal(by_id.frequencies(3).pixels_K, open_scenes(folder).frequencies(3).pixels_K)


def test_of_polygons_that_overlap_the_last_one_counts(folder: Path) -> None:
    whole = square(0, 0, 1200, 1200)
    write_polygons(folder / "labels.geojson", [("trees", whole), ("water", whole)])
    assert open_scenes(folder).frequencies(3).pixels_K[1] == 0


def test_scenes_and_labels_need_a_place_on_the_earth(folder: Path) -> None:
    write_tif(folder / "scenes" / "b.tif", np.ones((4, 50, 50), np.uint16), crs=None)
    with pytest.raises(DataRefused, match=r"b.tif: a scene needs a place on the earth, and has no CRS; .*a_srs"):
        open_scenes(folder)
    (folder / "scenes" / "b.tif").unlink()
    write_tif(folder / "labels.tif", np.ones((1, 50, 50), np.uint8), crs=None, roles=None)
    with pytest.raises(DataRefused, match=r"labels.tif: labels need a place on the earth, and have no CRS"):
        open_scenes(folder, labels="labels.tif")


def test_bands_that_are_not_there_are_named(folder: Path) -> None:
    with pytest.raises(DataRefused, match=r"a.tif its bands are described as blue, green, red, nir: .*swir16; number"):
        open_scenes(folder, bands=("blue", "swir16"))
    with pytest.raises(DataRefused, match=r"a.tif has 4 band\(s\); nir = 7 is not there"):
        open_scenes(folder, bands={"nir": 7})


@pytest.mark.parametrize(
    ("labelled", "reason"),
    [
        ([], r"labels.geojson: expected polygons; it has no feature"),
        ([("trees", shapely.Point(*WEST_NORTH))], r"expected polygons; it has 1 feature\(s\), none with an area"),
        ([("trees", square(0, 0, 900, 900)), (None, square(0, 0, 9, 9))], "1 of 2 polygons have no 'class'"),
    ],
)
def test_files_without_labels_are_refused(folder: Path, labelled: list[Any], reason: str) -> None:
    write_polygons(folder / "labels.geojson", labelled)
    with pytest.raises(DataRefused, match=reason):
        open_scenes(folder)


def test_attribute_and_layer_are_asked_for(folder: Path) -> None:
    import pyogrio

    with pytest.raises(DataRefused, match=r"in the attribute 'kind'; there is class: name it in data.attribute"):
        open_scenes(folder, attribute="kind")
    write_polygons(folder / "labels.gpkg", [("trees", square(0, 0, 600, 1200))])
    box = shapely.to_wkb(np.array([square(0, 0, 9, 9)], object))
    pyogrio.raw.write(
        folder / "labels.gpkg", box, [np.array(["x"], object)], ["note"], driver="GPKG", layer="notes", append=False,
        geometry_type="Polygon", crs=UTM,
    )  # fmt: skip
    with pytest.raises(DataRefused, match=r"labels.gpkg: name one of its layers in data.layer: labels, notes"):
        open_scenes(folder, labels="labels.gpkg")
    assert open_scenes(folder, labels="labels.gpkg", layer="labels").pictures("train")


def test_files_that_are_not_there_or_of_another_kind_are_refused(folder: Path) -> None:
    with pytest.raises(
        DataRefused, match=r"--scenes .*nowhere: expected a folder of .tif files, or a pattern; no file"
    ):
        open_scenes(folder, scenes="nowhere")
    with pytest.raises(
        DataRefused, match=r"--labels .*gone.gpkg: expected a GeoJSON, a GeoPackage or a raster; no file"
    ):
        open_scenes(folder, labels="gone.gpkg")
    (folder / "labels.csv").write_text("class\ntrees\n")
    with pytest.raises(DataRefused, match=r"got labels.csv"):
        open_scenes(folder, labels="labels.csv")
    (folder / "broken.gpkg").write_bytes(b"SQLite format 3\0 and then nothing")
    with pytest.raises(DataRefused, match=r"broken.gpkg: expected an intact GeoJSON or GeoPackage"):
        open_scenes(folder, labels="broken.gpkg")


def test_a_pattern_finds_scenes_and_no_labels(folder: Path) -> None:
    write_tif(
        folder / "scenes" / "a_labels.tif", np.ones((1, 120, 120), np.uint8), crs=UTM,
        transform=Affine(10, 0, WEST_NORTH[0], 0, -10, WEST_NORTH[1]), roles=None,
    )  # fmt: skip
    source = open_scenes(folder, scenes="scenes/*.tif", labels="scenes/a_labels.tif")
    assert {one.name.partition(" at ")[0] for one in source.pictures("all")} == {"a.tif"}


def test_one_block_cannot_be_split(folder: Path) -> None:
    with pytest.raises(
        DataRefused, match=r"1 block\(s\) in 1 place\(s\) cannot .* smaller \(data.block_m, now 20000\)"
    ):
        open_scenes(folder, block_m=20_000.0)
    with pytest.raises(DataRefused, match=r"data.block_m: expected 4 times the buffer of 100 m or more; got 320 m"):
        open_scenes(folder, buffer_m=100.0)


def test_scenes_that_are_nodata_where_the_labels_lie_are_refused(folder: Path) -> None:
    write_scene(folder / "scenes" / "a.tif", nodata=3000.0)  # the value of the band nir everywhere
    with pytest.raises(DataRefused, match=r"no labelled pixel is clear .*nodata where the labels lie"):
        open_scenes(folder)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"outside": "sea"}, r"data.outside: expected names of the legend \(0 bare, .*; got 'sea'"),
        ({"classes": {"x": "sea"}}, r"data.classes: expected names of the legend"),
    ],
)
def test_names_that_the_legend_lacks_are_refused(folder: Path, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(DataRefused, match=reason):
        open_scenes(folder, **changes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"attribute": ""}, "data.attribute: expected the name"),
        ({"bands": ()}, "data.bands: expected one band or more"),
        ({"scale": 0.0}, "data.scale: expected more than 0"),
        ({"block_m": -1.0}, "data.block_m, buffer_m: expected 0 or more"),
        ({"void": (3,), "classes": {"3": "trees"}}, "data.void: expected labels that are not in classes"),
        ({"held_out": 0.0}, "data.held_out"),
    ],
)
def test_the_table_is_checked(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigRefused, match=reason):
        ScenesConfig(**changes)


def test_nothing_is_asked_of_files_that_are_not_named() -> None:
    from models.training.datasets.scenes import ScenesSource
    from tests.models.training.own_labels import CLASSES

    with pytest.raises(DataRefused, match=r"no labels: give --labels"):
        ScenesSource(ScenesConfig(scenes="x"), CLASSES)


def test_blocks_are_about_square_and_the_same_at_every_turn() -> None:
    places = Places(1000.0, 100.0)
    lon, lat = np.array([-74.0, 286.0, 179.9999, -180.0, 180.0]), np.array([61.0, 61.0, -12.0, -12.0, -12.0])
    numbers = places.block(lon, lat)
    assert numbers[0] == numbers[1]
    assert numbers[3] == numbers[4]
    middle = places.middle(int(numbers[0]))
    assert places.block(*(np.array([value]) for value in middle)).tolist() == [numbers[0]]
    assert abs(middle[0] + 74) < 0.02
    assert abs(middle[1] - 61) < 0.005
    near = places.around(np.array([middle[0]]), np.array([middle[1]]))
    assert (near == numbers[0]).all()
    edge = places.around(np.array([middle[0]]), np.array([middle[1] + 450 / 111_195]))
    assert set((edge != numbers[0]).ravel().tolist()) == {True, False}
    with pytest.raises(ValueError, match="at most half a block"):
        Places(100.0, 60.0)
