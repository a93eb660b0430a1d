"""Ingest: every kind of GeoTIFF becomes the same two rasters and a STAC Item."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rio_cogeo.cogeo import cog_validate
from shapely.geometry import box

from geo.errors import SceneRejected
from geo.ingest import IngestOptions, ingest
from geo.scene import scene_from_item
from tests.geo.rasters import NORTH_UP, ROLES, SHAPE, numbers, read_item, read_scene, write_tif

WHEN = datetime(2020, 8, 1, 10, 30, tzinfo=UTC)
OPTIONS = IngestOptions("s", acquired=WHEN)


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"compress": "lzw", "interleave": "pixel"},
        {"tiled": True, "blockxsize": 16, "blockysize": 32, "compress": "deflate", "predictor": 2},
        {"BIGTIFF": "YES", "compress": "zstd"},
        {"blockysize": 1, "ENDIANNESS": "BIG"},
    ],
)
def test_any_layout_gives_the_same_scene(tmp_path: Path, layout: dict[str, Any]) -> None:
    values = numbers()
    values[:, :5, :7] = 0
    scene = ingest(write_tif(tmp_path / "a.tif", values, nodata=0, **layout), tmp_path / "out", OPTIONS)
    found, clear = read_scene(tmp_path / "out")
    assert np.array_equal(found, values)
    assert np.array_equal(clear, values.any(axis=0))
    assert scene.bands == ROLES
    assert scene.geobox.affine == NORTH_UP
    assert scene.geobox.crs == "EPSG:32610"
    assert (scene.id, scene.acquired, scene.satellite) == ("s", WHEN, "")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tif", "out"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["clear.tif", "item.json", "reflectance.tif"]


def test_cogs_say_what_they_hold(tmp_path: Path) -> None:
    values = numbers((700, 1100))
    ingest(write_tif(tmp_path / "a.tif", values), tmp_path / "out", OPTIONS)
    for name in ("reflectance.tif", "clear.tif"):
        valid, errors, warnings = cog_validate(tmp_path / "out" / name, strict=True, quiet=True)
        assert (valid, errors, warnings) == (True, [], [])
    with rasterio.open(tmp_path / "out" / "reflectance.tif") as dataset:
        assert dataset.dtypes == ("uint16",) * 4
        assert (dataset.nodata, dataset.scales, dataset.offsets) == (0, (1e-4,) * 4, (0.0,) * 4)
        assert dataset.descriptions == ROLES
        assert dataset.overviews(1) == [2, 4]
        half = dataset.read(1, out_shape=(350, 550))
        expected = values[0].reshape(350, 2, 550, 2).mean(axis=(1, 3))
        assert np.abs(half - expected).max() <= 1
    with rasterio.open(tmp_path / "out" / "clear.tif") as dataset:
        assert (dataset.dtypes, dataset.nodata, dataset.descriptions) == (("uint8",), None, ("clear",))


@pytest.mark.parametrize(
    ("dtype", "scale", "expected_scale", "source"),
    [
        ("uint8", None, 1 / 255, "guess: uint8"),
        ("uint16", None, 1e-4, "guess: uint16"),
        ("int16", None, 1e-4, "guess: int16"),
        ("int32", None, 1e-4, "guess: int32"),
        ("float32", None, 1e-4, "guess: floats above 255"),
        ("float64", None, 1e-4, "guess: floats above 255"),
        ("uint16", 2e-5, 2e-5, "caller"),
        ("uint8", 0.004, 0.004, "caller"),
    ],
)
def test_types_and_scales(tmp_path: Path, dtype: str, scale: float | None, expected_scale: float, source: str) -> None:
    values = numbers(dtype=dtype, high=255 if dtype == "uint8" else 9_000)
    options = IngestOptions("s", acquired=WHEN, scale=scale)
    ingest(write_tif(tmp_path / "a.tif", values), tmp_path / "out", options)
    found, clear = read_scene(tmp_path / "out")
    expected = np.clip(np.rint(values.astype(np.float64) * expected_scale * 1e4), 1, 65535)
    assert np.abs(found - expected).max() <= (0 if expected_scale == 1e-4 else 1)
    assert clear.all()
    properties = read_item(tmp_path / "out")["properties"]
    assert properties["chronoseg:scale_source"].startswith(source)
    assert properties["chronoseg:scale"] == expected_scale


def test_floats_that_are_reflectance(tmp_path: Path) -> None:
    values = np.random.default_rng(0).uniform(-0.02, 0.7, (4, *SHAPE)).astype(np.float32)
    values[:, 3, 4] = np.nan
    values[2, 5, 6] = np.nan
    values[0, 7, 8] = np.inf
    values[1, 9, 10] = 9.0
    ingest(write_tif(tmp_path / "a.tif", values), tmp_path / "out", OPTIONS)
    found, clear = read_scene(tmp_path / "out")
    valid = np.isfinite(values).all(axis=0)
    assert np.array_equal(clear, valid)
    assert (found[:, ~valid] == 0).all()
    expected = np.clip(np.rint(np.float64(values[:, valid]) * 1e4), 1, 65535)
    assert np.abs(found[:, valid] - expected).max() <= 1
    assert found[1, 9, 10] == 65535
    assert read_item(tmp_path / "out")["properties"]["chronoseg:scale"] == 1


def test_floats_that_could_be_anything(tmp_path: Path) -> None:
    with pytest.raises(SceneRejected, match="give scale="):
        ingest(write_tif(tmp_path / "a.tif", numbers(dtype="float32", high=90)), tmp_path / "out", OPTIONS)


def test_scale_and_offset_tags(tmp_path: Path) -> None:
    values = numbers(low=2_000)
    path = write_tif(tmp_path / "a.tif", values, scale=1e-4, offset=-0.1)
    ingest(path, tmp_path / "out", OPTIONS)
    found, _ = read_scene(tmp_path / "out")
    assert np.array_equal(found, values - 1000)
    assert "scale and offset" in read_item(tmp_path / "out")["properties"]["chronoseg:scale_source"]


def test_no_data_by_every_means(tmp_path: Path) -> None:
    values = numbers(low=100)
    valid = np.random.default_rng(1).random(SHAPE) < 0.7
    sentinel = values.astype(np.int16)
    sentinel[:, ~valid] = -9999
    one_band = values.astype(np.int16)
    one_band[2, ~valid] = -9999
    alpha = np.concatenate([values, np.where(valid, 65535, 0).astype(np.uint16)[None]])
    nan = np.where(valid, values, np.nan).astype(np.float32)
    zeros = np.where(valid, values, 0)
    five = (*ROLES, "alpha")
    files = [
        write_tif(tmp_path / "sentinel.tif", sentinel, nodata=-9999),
        write_tif(tmp_path / "one-band.tif", one_band, nodata=-9999),
        write_tif(tmp_path / "alpha.tif", alpha, roles=five, alpha=True),
        write_tif(tmp_path / "mask.tif", values, mask=valid),
        write_tif(tmp_path / "nan.tif", nan, nodata=np.nan),
        write_tif(tmp_path / "undeclared.tif", zeros),
    ]
    for path in files:
        ingest(path, tmp_path / path.stem, OPTIONS)
        found, clear = read_scene(tmp_path / path.stem)
        assert np.array_equal(clear, valid), path.stem
        assert np.array_equal(found, np.where(valid, values, 0)), path.stem


def test_darkness_is_data(tmp_path: Path) -> None:
    values = numbers()
    values[3] = 0
    ingest(write_tif(tmp_path / "a.tif", values, nodata=0), tmp_path / "out", OPTIONS)
    found, clear = read_scene(tmp_path / "out")
    assert clear.all()
    assert (found[3] == 1).all()


def test_mislabelled_alpha_is_data_when_the_caller_says_so(tmp_path: Path) -> None:
    values = numbers()
    values[3, :10] = 0
    path = write_tif(tmp_path / "a.tif", values, roles=None, photometric="rgb", ALPHA="YES")
    bands = {"blue": 3, "green": 2, "red": 1, "nir": 4}
    scene = ingest(path, tmp_path / "out", IngestOptions("s", acquired=WHEN, bands=bands))
    found, clear = read_scene(tmp_path / "out")
    assert scene.bands == ("red", "green", "blue", "nir")
    assert clear.all()
    assert np.array_equal(found, np.maximum(values, 1))


def test_same_input_same_bytes(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "a.tif", numbers((600, 700)), roles=ROLES)
    sums = []
    for name in ("one", "two"):
        ingest(path, tmp_path / name, OPTIONS)
        sums.append([hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted((tmp_path / name).iterdir())])
    assert sums[0] == sums[1]


def test_an_existing_folder_is_filled(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "a.tif", numbers())
    out = tmp_path / "deep" / "out"
    out.mkdir(parents=True)
    for _ in range(2):
        ingest(path, out, OPTIONS)
    assert sorted(p.name for p in out.iterdir()) == ["clear.tif", "item.json", "reflectance.tif"]
    assert [p.name for p in out.parent.iterdir()] == ["out"]


def test_sidecars_are_neither_read_nor_written(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "a.tif", numbers(), crs=None)
    (tmp_path / "a.tfw").write_text("3\n0\n0\n-3\n600000\n4200000\n")
    (tmp_path / "a.tif.aux.xml").write_text("<PAMDataset><SRS>EPSG:32610</SRS></PAMDataset>")
    with pytest.raises(SceneRejected, match="no coordinate system"):
        ingest(path, tmp_path / "out", OPTIONS)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tfw", "a.tif", "a.tif.aux.xml"]


@pytest.mark.parametrize(
    ("name", "tags", "acquired", "expected"),
    [
        ("LC08_20180131_B.tif", {}, None, datetime(2018, 1, 31, tzinfo=UTC)),
        ("S2A_20200801T184919_x.tif", {}, None, datetime(2020, 8, 1, 18, 49, 19, tzinfo=UTC)),
        ("2020-08-01.tif", {}, None, datetime(2020, 8, 1, tzinfo=UTC)),
        ("12345678.tif", {"TIFFTAG_DATETIME": "2019:05:06 07:08:09"}, None, datetime(2019, 5, 6, 7, 8, 9, tzinfo=UTC)),
        ("LC08_20180131_B.tif", {}, datetime(2021, 2, 3), datetime(2021, 2, 3, tzinfo=UTC)),
        (
            "a.tif", {}, datetime(2021, 2, 3, tzinfo=timezone(timedelta(hours=-7))),
            datetime(2021, 2, 3, 7, tzinfo=UTC),
        ),
    ],
)  # fmt: skip
def test_time(tmp_path: Path, name: str, tags: dict[str, str], acquired: datetime | None, expected: datetime) -> None:
    path = write_tif(tmp_path / name, numbers(), tags=tags)
    assert ingest(path, tmp_path / "out", IngestOptions("s", acquired=acquired)).acquired == expected


def test_sentinel2_names(tmp_path: Path) -> None:
    names = ("B2", "B3", "B4", "B8", "B12")
    path = write_tif(tmp_path / "a.tif", numbers(bands=5), roles=names)
    assert ingest(path, tmp_path / "out", OPTIONS).bands == (*ROLES, "swir22")
    landsat = write_tif(tmp_path / "b.tif", numbers(bands=5), roles=("B2", "B3", "B4", "B5", "B8"))
    with pytest.raises(SceneRejected, match="no band is known"):
        ingest(landsat, tmp_path / "no", OPTIONS)


def test_item_reads_back_as_the_scene(tmp_path: Path) -> None:
    scene = ingest(write_tif(tmp_path / "a.tif", numbers()), tmp_path / "out", OPTIONS)
    read = scene_from_item(read_item(tmp_path / "out"), lambda href: str(tmp_path / "out" / href))
    assert read == scene


def test_crs_without_a_code(tmp_path: Path) -> None:
    laea = "+proj=laea +lat_0=-5 +lon_0=20 +datum=WGS84 +units=m"
    path = write_tif(tmp_path / "a.tif", numbers(), crs=laea, transform=Affine(3, 0, 0, 0, -3, 0))
    scene = ingest(path, tmp_path / "out", OPTIONS)
    properties = read_item(tmp_path / "out")["properties"]
    assert "proj:code" not in properties
    assert properties["proj:wkt2"].startswith("PROJCRS[")
    read = scene_from_item(read_item(tmp_path / "out"), lambda href: str(tmp_path / "out" / href))
    assert read.geobox == scene.geobox
    assert scene.footprint.centroid.distance(box(20, -5.01, 20.01, -5)) < 1e-3


def test_memory_does_not_grow_with_the_image(tmp_path: Path) -> None:
    """The peak of a child that ingests nine times the pixels is the same within a few tiles."""
    program = (
        "import sys; from pathlib import Path; from datetime import datetime\n"
        "from geo.ingest import IngestOptions, ingest\n"
        "ingest(Path(sys.argv[1]), Path(sys.argv[2]), IngestOptions('s', acquired=datetime(2020, 8, 1)))\n"
        # Not ru_maxrss, which begins at what the parent held when it forked.
        "print(next(l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM')))\n"
    )
    peaks = []
    for edge in (800, 2_400):
        path = tmp_path / f"{edge}.tif"
        with rasterio.open(
            path, "w", driver="GTiff", width=edge, height=edge, count=4, dtype="uint16", crs="EPSG:32610",
            transform=NORTH_UP, tiled=True,
        ) as dataset:  # fmt: skip
            dataset.descriptions = ROLES
            for row in range(0, edge, 400):
                dataset.write(
                    np.full((4, 400, edge), 1_000 + row, np.uint16), window=rasterio.windows.Window(0, row, edge, 400)
                )
        done = subprocess.run(
            [sys.executable, "-c", program, str(path), str(tmp_path / f"out{edge}")], capture_output=True, check=True
        )
        peaks.append(int(done.stdout) / 1024)
        shutil.rmtree(tmp_path / f"out{edge}")
    assert peaks[1] - peaks[0] < 100
