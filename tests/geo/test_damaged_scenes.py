"""Damaged files, made here and collected by others: each is refused and leaves nothing, or becomes a right scene."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from geo.errors import SceneRejected
from geo.ingest import IngestOptions, ingest
from tests.geo.rasters import numbers, read_scene, write_tif

BADTIFF = Path(__file__).parents[3] / "shared" / "data" / "badtiff"
OPTIONS = IngestOptions("s", acquired=datetime(2020, 8, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "layout", [{"compress": "lzw"}, {"compress": "deflate", "tiled": True, "blockxsize": 32, "blockysize": 32}, {}]
)
def test_truncation_anywhere(tmp_path: Path, layout: dict[str, Any]) -> None:
    whole = write_tif(tmp_path / "whole.tif", numbers(), **layout).read_bytes()
    path = tmp_path / "cut" / "scene.tif"
    path.parent.mkdir()
    for length in np.linspace(1, len(whole) - 1, 24).astype(int):
        path.write_bytes(whole[:length])
        try:
            ingest(path, path.parent / "out", OPTIONS)
        except SceneRejected:
            assert [p.name for p in path.parent.iterdir()] == ["scene.tif"]
        else:  # only bytes that hold no pixel were lost
            values, _ = read_scene(path.parent / "out")
            assert np.array_equal(values, numbers())
            for left in (path.parent / "out").iterdir():
                left.unlink()
            (path.parent / "out").rmdir()


@pytest.mark.parametrize("seed", range(60))
def test_flipped_bits(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    layouts: list[dict[str, Any]] = [{"compress": "lzw"}, {"compress": "deflate", "predictor": 2}, {}]
    content = bytearray(write_tif(tmp_path / "scene.tif", numbers(), tags={"A": "B"}, **layouts[seed % 3]).read_bytes())
    # Half of the files are hit in their first kilobyte, where the header is.
    reach = min(len(content), 1_000) if seed % 2 else len(content)
    for _ in range(int(rng.integers(1, 12))):
        content[int(rng.integers(0, reach))] ^= 1 << int(rng.integers(0, 8))
    path = tmp_path / "in" / "scene.tif"
    path.parent.mkdir()
    path.write_bytes(bytes(content))
    try:
        scene = ingest(path, path.parent / "out", OPTIONS)
    except SceneRejected:
        assert [p.name for p in path.parent.iterdir()] == ["scene.tif"]
    else:
        assert read_scene(path.parent / "out")[0].shape[1:] == scene.geobox.shape


@pytest.mark.skipif(not BADTIFF.is_dir(), reason="no ../shared/data/badtiff")
@pytest.mark.parametrize("name", sorted(p.name for p in BADTIFF.iterdir()) if BADTIFF.is_dir() else [])
@pytest.mark.parametrize("bands", [None, {"blue": 1, "green": 2, "red": 3, "nir": 4}], ids=["untold", "told"])
def test_badtiff(tmp_path: Path, name: str, bands: dict[str, int] | None) -> None:
    options = IngestOptions("s", acquired=OPTIONS.acquired, bands=bands)
    right = {"rio_RGBA.uint16.tif": 4, "rio_alpha.tif": 4} if bands else {}
    if name in right:
        scene = ingest(BADTIFF / name, tmp_path / "out", options)
        with rasterio.open(BADTIFF / name) as dataset:
            assert scene.geobox.shape == dataset.shape
            values = dataset.read()
        found, clear = read_scene(tmp_path / "out")
        assert np.array_equal(clear, values.any(axis=0))
        if values.dtype == np.uint16:
            assert np.array_equal(found[:, clear], np.maximum(values, 1)[:, clear])
        return
    with pytest.raises(SceneRejected) as caught:
        ingest(BADTIFF / name, tmp_path / "out", options)
    assert name in str(caught.value)
    assert not list(tmp_path.iterdir())
