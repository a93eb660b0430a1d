"""Reports: which chips are shown, what the JSON says, and pictures that hold what was counted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

from models.card import LandClass
from models.training.extremes import Extremes
from models.training.report import as_json, draw_calibration, draw_confusion, draw_sheet, write_report
from models.training.scorecard import Scorecard
from models.training.watching import Example

CLASSES = (LandClass(id=0, name="land", color="#d0d0d0"), LandClass(id=1, name="water", color="#0000ff"))
ALL = np.ones((4, 4), np.bool_)


def example(name: str, wrong: int, side: int = 4) -> Example:
    """Half land, half water, and so many pixels of land given as water."""
    truth = np.zeros((side, side), np.int64)
    truth[:, side // 2 :] = 1
    mask = truth.copy()
    mask[:wrong, 0] = 1
    return Example(name, np.random.default_rng(wrong).uniform(size=(3, side, side)).astype(np.float32), truth, mask)


def filled() -> Scorecard:
    """Scores of a series of two dates of 32 x 32 pixels."""
    scores, chips = Scorecard(CLASSES, series=True), [example("one", 3, 32), example("two", 9, 32)]
    valid = np.ones((32, 32), np.bool_)
    for chip in chips:
        scores.confusion.add(chip.truth, chip.mask, valid)
        scores.boundary.add(chip.truth, chip.mask, valid, image=chip.name)
        probs = np.where(np.stack([chip.mask == 0, chip.mask == 1]), 0.8, 0.2)
        scores.calibration.add(probs, chip.truth, valid)
        scores.extremes.add(chip, valid)
    assert scores.change is not None
    masks = np.stack([chip.mask for chip in chips])
    scores.change.add(np.stack([chips[0].truth, chips[1].mask]), masks, np.stack([valid, valid]))
    return scores


def test_the_best_and_the_worst_chips_stay_and_none_is_both() -> None:
    extremes = Extremes(2, kept=2)
    for name, wrong in (("b", 1), ("d", 3), ("a", 0), ("c", 2), ("a again", 0)):
        extremes.add(example(name, wrong), ALL)
    assert [chip.example.name for chip in extremes.best()] == ["a", "a again"]
    assert [chip.example.name for chip in extremes.worst()] == ["d", "c"]
    assert extremes.worst()[0].score == pytest.approx((5 / 8 + 8 / 11) / 2)
    few = Extremes(2, kept=2)
    for name, wrong in (("b", 1), ("d", 3), ("a", 0)):
        few.add(example(name, wrong), ALL)
    assert [chip.example.name for chip in (*few.best(), *few.worst())] == ["a", "b", "d"]


def test_chips_that_tell_nothing_are_not_ranked() -> None:
    extremes, plain = Extremes(2), example("plain", 0)
    land = np.zeros((4, 4), np.int64)
    extremes.add(Example("one class", plain.reflectance, land, land), ALL)
    cloudy = ALL.copy()
    cloudy[:, :3] = False
    extremes.add(example("cloudy", 1), cloudy)
    assert extremes.best() == extremes.worst() == []


def test_scores_of_a_series_hold_those_of_its_changes() -> None:
    told = filled().told()
    assert told["iou land"] == pytest.approx((1024 - 12) / 1024)
    assert told["calibration_error"] == pytest.approx((2048 - 12) / 2048 - 0.8)
    assert told["change_bc"] == pytest.approx(6 / 9)  # six pixels newly given, of nine that truly became water
    assert told["change_scs"] == pytest.approx((6 / 9 + 1) / 2)
    assert "change_bc" not in Scorecard(CLASSES).told()


def test_json_holds_no_nan() -> None:
    told = {"model": "m@1", "iou": float("nan"), "mean_iou_by_picture": {"a": float("nan"), "b": 0.5}, "n": [[1, 2]]}
    assert json.loads(as_json(told)) == {
        "model": "m@1", "iou": None, "mean_iou_by_picture": {"a": None, "b": 0.5}, "n": [[1, 2]],
    }  # fmt: skip


def test_a_report_is_four_files(tmp_path: Path) -> None:
    scores = filled()
    told = {"model": "ponds@1", **scores.told()}
    for _ in range(2):  # a second report replaces the first
        written = write_report(tmp_path / "report", scores, told, ("red", "green", "blue"))
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == sorted(path.name for path in written)
    assert json.loads((tmp_path / "report" / "scores.json").read_text())["mean_iou"] == told["mean_iou"]
    water = _colours(tmp_path / "report" / "contact-sheet.png") == (0, 0, 255)
    assert water.all(-1).mean() > 0.05  # truth and mask of two chips, and the legend's key


def test_pictures_say_what_was_counted() -> None:
    scores = filled()
    axis, *_ = draw_confusion(scores.confusion, CLASSES, "m").axes
    assert [text.get_text() for text in axis.texts] == ["98.8 %\n1,012", "1.2 %\n12", "0.0 %\n0", "100.0 %\n1,024"]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["land", "water"]
    upper, lower = draw_calibration(scores.calibration, "m").axes
    assert len(upper.containers[0]) == 1  # one bin has all pixels
    assert max(bar.get_height() for bar in lower.patches if isinstance(bar, Rectangle)) == 1
    titles = [axis.get_title() for axis in draw_sheet(
        scores.extremes.best(), scores.extremes.worst(), ("red", "green", "blue"), CLASSES, "m"
    ).axes]  # fmt: skip
    assert titles[0].startswith("one: mean IoU 0.99")


def test_many_classes_and_no_chips_can_be_drawn() -> None:
    many = tuple(LandClass(id=number, name=f"class {number}", color="#123456") for number in range(30))
    scores = Scorecard(many)
    axis, *_ = draw_confusion(scores.confusion, many, "m").axes
    assert len(axis.texts) == 0
    assert len(axis.get_xticks()) == 30
    first, *_ = draw_sheet([], [], ("red",), many, "m").axes
    assert "no chip holds more than one class" in [text.get_text() for text in first.texts]


def _colours(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))
