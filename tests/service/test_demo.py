from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from matplotlib.image import imread
from numpy.typing import NDArray

from models.training.chips import TEST_SEEDS, TRAIN_SEEDS, VALIDATION_SEEDS
from service.demo.run import expected_products
from service.demo.scores import iou, mean, score_dates
from service.demo.series import CHAPTERS
from service.demo.sheet import Panel, draw_sheet
from service.errors import DemoFailed
from tests.workers.test_assembly import LABELS, NAMES

PLACE = Affine(10, 0, 600_000, 0, -10, 8_360_000)


def write(path: Path, values: NDArray[np.generic], place: Affine = PLACE) -> Path:
    bands = values if values.ndim == 3 else values[None]
    with rasterio.open(
        path, "w", driver="GTiff", count=len(bands), height=bands.shape[1], width=bands.shape[2], dtype=bands.dtype,
        crs="EPSG:32720", transform=place,
    ) as dataset:  # fmt: skip
        dataset.write(bands)
    return path


def grid(*rows: str) -> NDArray[np.uint8]:
    """Read classes from text; `.` is nodata."""
    return np.array([[255 if c == "." else int(c) for c in row] for row in rows], np.uint8)


def test_iou_by_hand() -> None:
    a, b = np.array([True, True, False, False]), np.array([True, False, True, False])
    assert iou(a, b) == pytest.approx(1 / 3)
    assert math.isnan(iou(a, np.zeros(4, bool)))
    assert mean([1.0, math.nan, 0.5]) == 0.75
    assert math.isnan(mean([math.nan]))


def test_burned_area_by_hand(tmp_path: Path) -> None:
    """The mask lies one pixel right and down in the truth's grid; its nodata does not count."""
    masks = {"20200801": write(tmp_path / "a", grid("11.", "000"), PLACE * Affine.translation(1, 1))}
    truths = {"20200801": write(tmp_path / "b", grid("1111", "0101", "0010"))}
    score = score_dates(masks, truths, follow_loss=False)[0]
    assert score.iou == score.change_iou == pytest.approx(1 / 3)  # mask 11. over truth 101, 000 over 010
    assert score.accuracy == pytest.approx(3 / 5)
    assert (score.mapped_ha, score.true_ha) == pytest.approx((0.02, 0.02))


def test_tree_loss_counts_from_the_first_look(tmp_path: Path) -> None:
    masks = {
        "1": write(tmp_path / "m1", grid("1.10")),
        "2": write(tmp_path / "m2", grid("1110")),
        "3": write(tmp_path / "m3", grid("0010")),
    }
    truths = {
        "1": write(tmp_path / "t1", grid("1110")),
        "2": write(tmp_path / "t2", grid("1110")),
        "3": write(tmp_path / "t3", grid("0100")),
    }
    first, second, third = score_dates(masks, truths, follow_loss=True)
    assert math.isnan(first.change_iou)
    assert (second.iou, second.mapped_ha) == (1.0, 0.0)
    assert third.change_iou == pytest.approx(1 / 3)  # lost 0 and 1, truly lost 0 and 2
    assert third.iou == 0.0


def test_a_mask_on_a_shifted_grid_is_wrong(tmp_path: Path) -> None:
    masks = {"1": write(tmp_path / "m", grid("11"), PLACE * Affine.translation(0.5, 0))}
    truths = {"1": write(tmp_path / "t", grid("11"))}
    with pytest.raises(DemoFailed, match="part of a pixel"):
        score_dates(masks, truths, follow_loss=False)


def test_expected_products() -> None:
    """They are what assembly makes, all of it."""
    names = expected_products([*LABELS])
    assert sorted(names) == sorted(name for name in NAMES if not name.endswith(".aux.xml"))


def test_landscapes_are_not_those_of_training() -> None:
    seen = {*TRAIN_SEEDS, *VALIDATION_SEEDS, *TEST_SEEDS}
    assert not seen & {chapter.seed for chapter in CHAPTERS}


def test_sheet_shows_the_legend(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    image = write(tmp_path / "i", rng.integers(200, 3000, (4, 60, 80)).astype(np.uint16))
    classes = write(tmp_path / "c", np.full((60, 80), 1, np.uint8))
    panels = [Panel(f"date {n}", (image,), classes, classes, "IoU 1.000") for n in range(3)]
    draw_sheet(tmp_path / "sheet.png", "A title", {0: ("unburned", "#d9d4c3"), 1: ("burned", "#c1272d")}, panels)
    pixels = np.rint(imread(tmp_path / "sheet.png")[..., :3] * 255).astype(int).reshape(-1, 3)
    red = (pixels == (0xC1, 0x27, 0x2D)).all(axis=1).sum()
    assert red > 0.2 * len(pixels)  # two of three rows of panels
