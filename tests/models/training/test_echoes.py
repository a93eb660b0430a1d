"""`[data] echoes`, `borrowed_clouds` and `res_m`: series that are shown more than once, under clouds of others."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from models.card import read_card
from models.checkpoint import load_network
from models.errors import ConfigRefused
from models.training.chips import draw_spec
from models.training.config import RES_M, DataConfig, NetworkConfig, TrainConfig
from models.training.datasets.open_series import open_series
from models.training.drawing import draw_batches
from models.training.echoes import Pool, draw_pool, steps_together, under_clouds_of
from models.training.fit_config import FitConfig
from models.training.lesson import open_lesson
from models.training.loop import train
from models.training.processes import Processes
from models.training.themes import THEMES
from models.training.written import plain

ALONE = Processes()
DATA = DataConfig(chip_px=32, dates_per_step=6, dates=(2, 3), echoes=3, borrowed_clouds=0.5)


def tiny(data: DataConfig = DATA, steps: int = 3) -> TrainConfig:
    return TrainConfig(
        theme="burned-area",
        name="tiny",
        network=NetworkConfig(widths=(4, 6), memory=(4, 6)),
        data=data,
        fit=FitConfig(steps=steps, save_every=5, validate_every=99),
    )


def pool_of(number: int) -> Pool:
    return draw_pool(tiny(), DATA, number, open_series(tiny(), THEMES["burned-area"]))


def test_every_series_of_a_pool_is_shown_as_often_as_asked_for() -> None:
    pool = pool_of(0)
    steps, each = pool.order.shape
    assert steps == steps_together(DATA) == 6
    assert len(pool.chips) == 2 * each
    assert np.array_equal(np.bincount(pool.order.ravel()), np.full(len(pool.chips), 3))
    shown_once = [sorted(pool.order[first : first + 2].ravel()) for first in (0, 2, 4)]
    assert shown_once == [list(range(len(pool.chips)))] * 3  # all of them before any of them again
    assert len({tuple(order.ravel()) for order in np.split(pool.order, 3)}) > 1
    assert not np.array_equal(pool.chips[0].reflectance, pool_of(1).chips[0].reflectance)


def test_each_time_a_series_is_turned_and_hidden_anew() -> None:
    lesson = open_lesson(tiny(dataclasses.replace(DATA, dates=(2,), dates_per_step=2, borrowed_clouds=1.0)))
    shown = [lesson.draw(step, ALONE) for step in range(6)]  # two series, three times each
    assert len({clear.numpy().tobytes() for _, clear, _, _ in shown}) == 6
    burned = sorted(int((target == 1).sum()) for *_, target in shown)
    assert burned[:3] == [burned[0]] * 3
    assert burned[3:] == [burned[3]] * 3  # the truth is the same, however it is turned


def test_batches_hang_on_the_step_alone() -> None:
    whole = list(draw_batches(open_lesson(tiny()), ALONE, range(4, 15)))
    for start, readers in ((4, 2), (9, 0), (9, 2)):
        some = list(draw_batches(open_lesson(tiny()), ALONE, range(start, 15), readers))
        assert len(some) == 15 - start
        for one, other in zip(whole[start - 4 :], some, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_run_that_was_stopped_in_a_pool_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(event: object) -> None:
        if type(event).__name__ == "Saved":
            raise Stop

    config = tiny(steps=8)
    at_once = train(config, tmp_path / "at once")
    with pytest.raises(Stop):
        train(config, tmp_path / "stopped", watchers=[stop])
    resumed = train(config, tmp_path / "stopped", readers=1)
    weights, others = (load_network(folder, read_card(folder)).state_dict() for folder in (at_once, resumed))
    assert all(torch.equal(value, others[name]) for name, value in weights.items())


def test_clouds_of_another_series_hide_and_reveal_nothing() -> None:
    one, other = pool_of(0).chips[:2]
    hidden = under_clouds_of(other, one, np.random.default_rng(1))
    assert not (hidden.clear & ~one.clear).any()
    assert hidden.clear.sum() <= min(one.clear.sum(), other.clear.sum())
    assert hidden.reflectance is one.reflectance
    assert hidden.target is one.target


def test_series_have_the_pixels_asked_for() -> None:
    coarse = DataConfig(res_m=(20, 30, 30))
    drawn = [draw_spec("tree-cover", coarse, 2, np.random.default_rng(seed)).res_m for seed in range(60)]
    assert set(drawn) == {20.0, 30.0}
    assert drawn.count(30.0) > drawn.count(20.0)
    source = open_series(dataclasses.replace(tiny(), data=coarse), THEMES["burned-area"])
    assert source.res_m == (20, 30)


def test_without_them_series_and_cards_are_those_of_before() -> None:
    assert not {"echoes", "borrowed_clouds", "res_m"} & plain(DataConfig()).keys()
    assert steps_together(DataConfig()) == 1
    assert DataConfig().res_m == RES_M


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"echoes": 0}, "data.echoes: expected 1 or more"),
        ({"borrowed_clouds": 0.2}, "data.borrowed_clouds: expected 0, or data.echoes of 2 or more"),
        ({"echoes": 2, "borrowed_clouds": 1.2}, "shares in 0..1"),
        ({"res_m": ()}, "data.res_m: expected edges within 3..30 m"),
        ({"res_m": (3.0, 60.0)}, "data.res_m: expected edges within 3..30 m"),
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigRefused, match=told.replace(".", r"\.")):
        DataConfig(**wrong)  # type: ignore[arg-type] # wrong on purpose
