"""Scores of pictures: by hand, in blocks that meet no edge twice, and as whole images give them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from geo.simulator.series import simulate
from geo.simulator.spec import SeriesSpec
from models.card import MASK_NODATA, Card
from models.errors import DataRefused
from models.training import evaluate_pictures as module
from models.training.boundary_f1 import BoundaryF1
from models.training.chips import Chip
from models.training.datasets.source import Picture, picture_of
from models.training.evaluate import masks_of
from models.training.evaluate_pictures import evaluate_pictures
from models.training.scorecard import BOUNDARY_PX
from tests.models.training.static_runs import any_card


@dataclasses.dataclass
class Brightness:
    """An engine that calls a pixel burned with its first band as the probability; notes the windows it was given."""

    card: Card
    windows: list[tuple[int, int]]

    def start(self, height: int, width: int) -> None:
        self.windows.append((height, width))

    def step(
        self, state: None, reflectance: NDArray[np.float32], clear: NDArray[np.bool_], day: int
    ) -> tuple[None, NDArray[np.float32]]:
        del state, day
        burned = np.where(clear, reflectance[0], np.nan)
        return None, np.stack([1 - burned, burned])


def pictures(*sizes: tuple[int, int]) -> Sequence[Picture]:
    made = []
    for number, (height, width) in enumerate(sizes):
        rng = np.random.default_rng(number)
        x = rng.uniform(0, 1, (1, 4, height, width)).astype(np.float32)
        target = (rng.uniform(0, 1, (1, height, width)) < x[:, 0]).astype(np.int64)
        target[0, 0, 0] = MASK_NODATA
        clear = rng.uniform(size=target.shape) > 0.1
        made.append(picture_of(str(number), Chip(x, clear, np.zeros(1, np.float32), target)))
    return made


def boundary_by_hand(chips: Sequence[Chip]) -> float:
    """Boundary F1 of whole pictures at once."""
    scores = BoundaryF1(2, tolerance_px=BOUNDARY_PX)
    for number, chip in enumerate(chips):
        given = np.where(chip.clear[0], chip.reflectance[0, 0] > 0.5, 0)
        scores.add(chip.target[0], given, chip.clear[0] & (chip.target[0] != MASK_NODATA), image=number)
    return scores.mean_f1()


@pytest.mark.parametrize("block_px", [16, 24, 512])
def test_blocks_count_every_pixel_once(monkeypatch: pytest.MonkeyPatch, block_px: int) -> None:
    monkeypatch.setattr(module, "BLOCK_PX", block_px)
    engine = Brightness(any_card().model_copy(update={"stride_px": 8, "radius_px": 12}), [])
    held = pictures((37, 53), (16, 16))
    found = evaluate_pictures(engine, held)
    chips = [picture.window(0, 0, *picture.shape) for picture in held]
    counts = np.zeros((2, 2), np.int64)
    for chip in chips:
        valid = chip.clear[0] & (chip.target[0] != MASK_NODATA)
        np.add.at(counts, (chip.target[0][valid], (chip.reflectance[0, 0] > 0.5)[valid].astype(int)), 1)
    assert found.scores.confusion.counts.tolist() == counts.tolist()
    assert (found.pictures, found.pixels) == (2, counts.sum())
    told = found.scores.told()
    assert told["iou burned"] == pytest.approx(counts[1, 1] / (counts.sum() - counts[0, 0]))
    assert told["calibration_error"] < 0.05  # drawn with the very probability that the engine gives
    assert told["boundary_f1"] == pytest.approx(boundary_by_hand(chips))
    assert list(found.by_picture) == ["0", "1"]
    assert all(side % 8 == 0 and side >= 8 + 2 * 16 for window in engine.windows for side in window)


def test_a_series_through_an_engine_is_cut_out_of_its_halo() -> None:
    engine = Brightness(any_card().model_copy(update={"stride_px": 8, "radius_px": 12}), [])
    series = simulate(SeriesSpec(theme="burned-area", height=37, width=44, dates=3, cloud_fraction=0.5), 3)
    by_hand = np.where(series.clear, series.reflectance[:, 0] > 0.5, MASK_NODATA)
    np.testing.assert_array_equal(masks_of(engine, series), by_hand)
    assert engine.windows == [(40 + 32, 48 + 32)]


def test_chips_are_ranked_where_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHIP_PX", 16)
    held = pictures((40, 48))
    found = evaluate_pictures(Brightness(any_card().model_copy(update={"stride_px": 8, "radius_px": 12}), []), held)
    best, worst = found.scores.extremes.best(), found.scores.extremes.worst()
    assert [chip.score for chip in best] == sorted((chip.score for chip in best), reverse=True)
    assert [chip.score for chip in worst] == sorted(chip.score for chip in worst)
    assert best[-1].score >= worst[-1].score
    for chip in (*best, *worst):
        row, col = (int(word.split()[-1]) for word in chip.example.name.split(",")[1:])
        part = held[0].window(row, col, *chip.example.truth.shape)
        np.testing.assert_array_equal(chip.example.truth, part.target[0])
        np.testing.assert_array_equal(chip.example.reflectance, part.reflectance[0])


def test_nothing_to_score_on_is_refused() -> None:
    with pytest.raises(DataRefused, match="no picture to score on in this split"):
        evaluate_pictures(Brightness(any_card(), []), [])
