from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import rasterio

from geo.errors import SceneRejected
from geo.ingest import IngestOptions
from models.registry import find_model
from tests.geo.scenes import BANDS, landscape, lonlat_box, utm_grid, write_scene
from workers.errors import JobRefused
from workers.local import SceneFile, segment_locally
from workers.planning import Request

FIRST = datetime(2020, 8, 1, 10, 30, tzinfo=UTC)
GRID = utm_grid(120, 150)


@pytest.fixture
def files(tmp_path: Path) -> list[SceneFile]:
    """Three dates as plain GeoTIFFs."""
    made = []
    for number in range(3):
        scene = write_scene(tmp_path / "in", f"s{number}", GRID, values=landscape(120, 150, number))
        when = FIRST + timedelta(days=7 * number)
        options = IngestOptions(
            f"s{number}", acquired=when, bands={role: i + 1 for i, role in enumerate(BANDS)}, scale=1e-4
        )
        made.append(SceneFile(Path(scene.reflectance), options))
    return made


def test_files_become_products_and_nothing_else(files: list[SceneFile], tmp_path: Path) -> None:
    _, folder = find_model("burned-area")
    told: list[tuple[str, int, int]] = []
    out = tmp_path / "made" / "here"
    request = Request(aoi=lonlat_box(GRID, 11, 13, 101, 140))
    products = segment_locally(
        files, request, folder, out, block_px=64, threads=1, progress=lambda *step: told.append(step)
    )
    assert {product.path for product in products} == set(out.iterdir())
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["here"]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    names = {product.name for product in products}
    for label in ("20200801", "20200808", "20200815"):
        assert {f"mask_{label}.tif", f"mask_{label}.qml"} <= names
    assert {"change_date.tif", "confidence.tif", "polygons.geojson", "polygons.gpkg", "areas.csv"} <= names
    with rasterio.open(out / "mask_20200815.tif") as dataset:
        mask = dataset.read(1)
        assert dataset.crs.to_epsg() == 32633
        offset_px = (dataset.transform.c - GRID.affine.c) / 3
        assert offset_px == pytest.approx(round(offset_px), abs=1e-6)
    assert {255} < set(np.unique(mask)) <= {0, 1, 255}
    assert {stage for stage, _, _ in told} == {"reading", "segmenting", "writing"}
    assert all(done <= total for _, done, total in told)


def test_block_size_does_not_matter(files: list[SceneFile], tmp_path: Path) -> None:
    """With the shipped network: the same masks, whole and in blocks."""
    _, folder = find_model("tree-cover")
    masks = []
    for block_px in (64, 1024):
        out = tmp_path / str(block_px)
        segment_locally(files, Request(), folder, out, block_px=block_px, threads=1)
        with rasterio.open(out / "mask_20200815.tif") as dataset:
            masks.append(dataset.read(1))
    np.testing.assert_array_equal(masks[0], masks[1])


@pytest.mark.parametrize("stage", ["reading", "segmenting", "writing"])
def test_an_interrupt_leaves_nothing(files: list[SceneFile], tmp_path: Path, stage: str) -> None:
    def interrupt(at: str, done: int, total: int) -> None:
        if (at, done) == (stage, 1):
            raise KeyboardInterrupt

    _, folder = find_model("burned-area")
    with pytest.raises(KeyboardInterrupt):
        segment_locally(files, Request(), folder, tmp_path / "out", block_px=64, threads=1, progress=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_refusals_leave_nothing(files: list[SceneFile], tmp_path: Path) -> None:
    _, folder = find_model("burned-area")
    far = Request(aoi=lonlat_box(utm_grid(50, 50, x=700_000), 0, 0, 50, 50))
    with pytest.raises(JobRefused, match="outside of all"):
        segment_locally(files, far, folder, tmp_path / "out")
    (tmp_path / "in" / "bad.tif").write_bytes(b"II*\0 and no more")
    bad = SceneFile(tmp_path / "in" / "bad.tif", IngestOptions("bad", acquired=FIRST))
    with pytest.raises(SceneRejected):
        segment_locally([*files, bad], Request(), folder, tmp_path / "out")
    (tmp_path / "in" / "file").write_text("")
    with pytest.raises(JobRefused, match="is a file"):
        segment_locally(files, Request(), folder, tmp_path / "in" / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_earlier_products_are_replaced_and_other_files_kept(files: list[SceneFile], tmp_path: Path) -> None:
    _, folder = find_model("burned-area")
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    (out / "areas.csv").write_text("old")
    segment_locally(files[:1], Request(), folder, out, threads=1)
    assert (out / "notes.txt").read_text() == "mine"
    assert (out / "areas.csv").read_text().startswith("label,")
