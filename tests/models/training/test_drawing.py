"""Drawing ahead: the same batches in the same order, and the same weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models.card import read_card
from models.checkpoint import load_network
from models.errors import DataRefused
from models.training.config import DataConfig, NetworkConfig, TrainConfig
from models.training.drawing import draw_batches
from models.training.fit_config import FitConfig
from models.training.lesson import open_lesson
from models.training.loop import train
from models.training.processes import Processes
from models.training.recurrent import SeriesBatch, SeriesLesson

ALONE = Processes()


def tiny() -> TrainConfig:
    return TrainConfig(
        theme="burned-area",
        name="tiny",
        network=NetworkConfig(widths=(4, 6), memory=(4, 6)),
        data=DataConfig(chip_px=32, dates_per_step=4, dates=(2, 4)),
        fit=FitConfig(steps=3, save_every=3, validate_every=9),
    )


def test_batches_are_the_same_with_readers() -> None:
    lesson = open_lesson(tiny())
    here, ahead = (list(draw_batches(lesson, ALONE, range(2, 7), readers)) for readers in (0, 3))
    assert len(here) == len(ahead) == 5
    for one, other in zip(here, ahead, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_weights_are_the_same_with_readers(tmp_path: Path) -> None:
    folders = [train(tiny(), tmp_path / str(readers), readers=readers) for readers in (0, 2)]
    weights, others = (load_network(folder, read_card(folder)).state_dict() for folder in folders)
    assert all(torch.equal(value, others[name]) for name, value in weights.items())


def test_a_refusal_of_a_reader_comes_through() -> None:
    class Broken(SeriesLesson):
        def draw(self, step: int, processes: Processes) -> SeriesBatch:
            raise DataRefused(f"a fire cannot be read at step {step} by {processes.count}")

    with pytest.raises(DataRefused, match="a fire cannot be read at step 0 by 1"):
        next(draw_batches(Broken(tiny()), ALONE, range(2), 1))
