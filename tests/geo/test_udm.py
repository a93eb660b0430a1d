"""Masks laid over images: polarity, cropping, padding, refusal."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window

from geo.errors import SceneRejected
from geo.ingest import IngestOptions, ingest
from geo.raster import open_raster
from geo.udm import clear_from_udm2, lay_over
from tests.geo.planet import UDM2_BANDS, udm2_values
from tests.geo.rasters import NORTH_UP, SHAPE, numbers, read_scene, write_tif

REAL = Path(__file__).parents[3] / "shared" / "data" / "planetscope" / "20151119_025740_0c74_3B_udm2_clip.tif"
WHEN = datetime(2020, 8, 1, tzinfo=UTC)
CLEAR: NDArray[np.bool_] = np.random.default_rng(3).random((60, 80)) < 0.6


def clear_of(tmp_path: Path, mask: Path) -> NDArray[np.bool_]:
    image = write_tif(tmp_path / "image.tif", numbers())
    ingest(image, tmp_path / "out", IngestOptions("s", acquired=WHEN, udm2=mask))
    return read_scene(tmp_path / "out")[1]


def test_polarity() -> None:
    values = np.zeros((2, 1, 6), np.uint8)
    values[0] = [1, 0, 1, 1, 1, 1]
    values[1] = [0, 0, 0b1, 0b10, 0b100, 0b1000000]
    # Clear; not clear; blackfill; the old mask's cloud, which band 1 overrules; a lost blue band; a lost nir band.
    assert clear_from_udm2(values).tolist() == [[True, False, False, True, False, False]]


@pytest.mark.parametrize(("row", "col"), [(0, 0), (11, 20), (-5, -9), (-40 + 4, 30), (22, -50)])
def test_mask_of_another_shape_is_cropped_and_padded(tmp_path: Path, row: int, col: int) -> None:
    transform = NORTH_UP * Affine.translation(-col, -row)
    mask = write_tif(tmp_path / "mask.tif", udm2_values(CLEAR), roles=UDM2_BANDS, transform=transform)
    expected = np.zeros(SHAPE, bool)
    for r in range(SHAPE[0]):
        for c in range(SHAPE[1]):
            if 0 <= r + row < 60 and 0 <= c + col < 80:
                expected[r, c] = CLEAR[r + row, c + col]
    assert np.array_equal(clear_of(tmp_path, mask), expected)


def test_clear_band_by_name(tmp_path: Path) -> None:
    flag = CLEAR[None, :37, :53].astype(np.uint8)
    mask = write_tif(tmp_path / "mask.tif", np.concatenate([1 - flag, flag]), roles=("cloud", "clear"))
    assert np.array_equal(clear_of(tmp_path, mask), flag[0] == 1)


def test_pixels_without_data_are_never_clear(tmp_path: Path) -> None:
    values = numbers()
    values[:, 4:9] = 0
    image = write_tif(tmp_path / "image.tif", values)
    mask = write_tif(tmp_path / "mask.tif", udm2_values(np.ones(SHAPE, bool)), roles=UDM2_BANDS)
    ingest(image, tmp_path / "out", IngestOptions("s", acquired=WHEN, udm2=mask))
    assert np.array_equal(read_scene(tmp_path / "out")[1], values.any(axis=0))


def test_rotated_image_with_its_mask(tmp_path: Path) -> None:
    transform = Affine(0, 3, 600_000, 3, 0, 4_200_000 - 53 * 3)
    clear = CLEAR[:37, :53]
    image = write_tif(tmp_path / "image.tif", numbers(), transform=transform)
    mask = write_tif(tmp_path / "mask.tif", udm2_values(clear), roles=UDM2_BANDS, transform=transform)
    ingest(image, tmp_path / "out", IngestOptions("s", acquired=WHEN, udm2=mask))
    assert np.array_equal(read_scene(tmp_path / "out")[1], clear.T[::-1])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"crs": "EPSG:32611"}, "EPSG:32611"),
        ({"transform": Affine(3.3, 0, 600_000, 0, -3.3, 4_200_000)}, "pixels of 3.3 x 3.3"),
        ({"transform": Affine(3, 0, 600_001, 0, -3, 4_200_000)}, "0.33 of a pixel off"),
        ({"transform": Affine(3, 0, 699_999, 0, -3, 4_200_000)}, "does not overlap"),
        ({"transform": Affine(3, 0, 600_000, 0, 3, 4_200_000)}, "is turned"),
        ({"crs": None}, "no coordinate system"),
    ],
)
def test_mask_on_another_grid_is_refused(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    values = udm2_values(CLEAR)
    mask = write_tif(tmp_path / "mask.tif", values, roles=UDM2_BANDS, **changes)
    with pytest.raises(SceneRejected, match=expected):
        clear_of(tmp_path, mask)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("bands", "dtype"), [(1, "uint8"), (3, "uint8"), (8, "uint16"), (8, "float32")])
def test_unknown_masks_are_refused(tmp_path: Path, bands: int, dtype: str) -> None:
    mask = write_tif(tmp_path / "mask.tif", numbers(bands=bands, dtype=dtype, high=2, low=0), roles=None)
    with pytest.raises(SceneRejected, match="expected a"):
        clear_of(tmp_path, mask)


def test_zip_and_garbage_as_masks_are_refused(tmp_path: Path) -> None:
    for content in (b"PK\x03\x04" + b"0" * 60, b"", b"II*\0garbage" * 9):
        mask = tmp_path / "mask.tif"
        mask.write_bytes(content)
        with pytest.raises(SceneRejected, match=r"mask\.tif"):
            clear_of(tmp_path, mask)


@pytest.mark.skipif(not REAL.is_file(), reason="no ../shared/data/planetscope")
def test_real_udm2(tmp_path: Path) -> None:
    with rasterio.open(REAL) as dataset:
        values = dataset.read()
        transform, crs = dataset.transform, dataset.crs
    crop = values[:, 0:600, 400:1100]
    image = write_tif(
        tmp_path / "20151119_025740_0c74_3B_AnalyticMS_SR_clip.tif", numbers(crop.shape[1:]),
        transform=transform * Affine.translation(400, 0), crs=crs,
    )  # fmt: skip
    scene = ingest(image, tmp_path / "out", IngestOptions("s", udm2=REAL))
    clear = read_scene(tmp_path / "out")[1]
    assert np.array_equal(clear, (crop[0] == 1) & (crop[7] & 0b11111101 == 0))
    assert 0 < clear.mean() < 1
    assert scene.satellite == "0c74"


def test_reading_beyond_the_mask(tmp_path: Path) -> None:
    image = write_tif(tmp_path / "image.tif", numbers())
    mask = write_tif(
        tmp_path / "mask.tif", udm2_values(CLEAR[:20, :20]), roles=UDM2_BANDS,
        transform=NORTH_UP * Affine.translation(10, 10),
    )  # fmt: skip
    with open_raster(image) as opened_image, open_raster(mask) as opened_mask:
        laid = lay_over(opened_mask, opened_image)
        assert not laid.read(Window(0, 0, 10, 10)).any()
        assert np.array_equal(laid.read(Window(10, 10, 20, 20)), CLEAR[:20, :20])
