"""TensorBoard logs: what they hold, steps that are walked again, and the message where the package is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from models.errors import BoardUnavailable
from models.training.board import example_picture, open_board
from models.training.watching import Example, Saved, Scored, Started, Stepped
from tests.models.training.static_runs import any_card

CARD = any_card()


def example() -> Example:
    image = np.zeros((4, 5, 6), np.float32)
    image[2, 0], image[0, 4] = 0.4, 0.2
    truth = np.array([[0, 1, 255, 0, 1, 0]] * 5)
    return Example("here", image, truth, np.zeros((5, 6), np.int64))


def test_a_picture_shows_image_truth_and_mask_side_by_side() -> None:
    picture = example_picture(example(), CARD.bands, CARD.classes)
    assert picture.shape == (5, 3 * 6 + 4, 3)
    assert picture[0, 0].tolist() == [255, 0, 0]  # red is the third band
    assert picture[4, 0, 2] > 0 == picture[4, 0, 0]
    assert [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in picture[0, 8:11]] == ["#d9d4c3", "#c1272d", "#000000"]
    grey = example_picture(example(), ("grey", "a", "b", "c"), CARD.classes)
    assert (grey[:, :6, 0] == grey[:, :6, 1]).all()


def test_the_board_holds_losses_scores_and_pictures(tmp_path: Path) -> None:
    with open_board(tmp_path) as watch:
        watch(Started(0, 4, CARD))
        for step in (1, 2, 3):
            watch(Stepped(step, 1.0 / step, {"main": 0.5 / step, "fooling": 0.5 / step}, 0.01))
        watch(Scored(2, {"mean_iou": 0.75}, False, [example()]))
        watch(Saved(2, 4, 0.5, 0.1))
    with open_board(tmp_path) as watch:  # killed after step 3, and gone on with from 2
        watch(Started(2, 4, CARD))
        watch(Stepped(3, 0.25, {"main": 0.25}, 0.01))
    board = EventAccumulator(str(tmp_path), size_guidance={"images": 0}).Reload()
    assert [(e.step, e.value) for e in board.Scalars("loss/sum")] == [(1, 1.0), (2, 0.5), (3, 0.25)]
    assert [e.value for e in board.Scalars("held out/mean_iou")] == [0.75]
    (shown,) = board.Images("held out/0")
    assert (shown.width, shown.height, shown.step) == (22, 5, 2)
    assert set(board.Tags()["scalars"]) == {"loss/sum", "loss/main", "loss/fooling", "rate", "held out/mean_iou"}


def test_without_the_package_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(BoardUnavailable, match=r"pip install 'chronoseg\[train\]'"), open_board(tmp_path):
        pass
