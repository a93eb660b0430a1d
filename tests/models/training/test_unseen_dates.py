"""`[data] late_start` and `earlier_fires`: first dates that nobody saw, and scars that are not the series' own."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from models.card import read_card
from models.errors import ConfigRefused
from models.training.chips import draw_chip, draw_spec
from models.training.config import DataConfig, NetworkConfig, TrainConfig
from models.training.fit_config import FitConfig
from models.training.loop import train
from models.training.written import plain

DATA = DataConfig(chip_px=32, dates_per_step=8, dates=(4,), max_cloud=0.3)
TINY = TrainConfig(
    theme="burned-area", name="tiny", network=NetworkConfig(widths=(4, 6), memory=(4, 6)), data=DATA,
    fit=FitConfig(steps=1, save_every=1, validate_every=100),
)  # fmt: skip


def test_a_share_of_the_series_begins_unseen() -> None:
    unseen = []
    for seed in range(80):
        plainly, late = (
            draw_chip("burned-area", data, 4, seed, np.random.default_rng(seed))
            for data in (DATA, dataclasses.replace(DATA, late_start=0.5))
        )
        assert np.array_equal(plainly.reflectance, late.reflectance)
        assert np.array_equal(plainly.target, late.target)
        hidden = (plainly.clear != late.clear).any((1, 2))
        if hidden.any():
            last = int(np.flatnonzero(hidden)[-1])
            assert not late.clear[: last + 1].any()
            unseen.append(last + 1)
        assert np.array_equal(plainly.clear[3], late.clear[3])  # the last date is never taken away
    assert 0.3 < len(unseen) / 80 < 0.6
    assert set(unseen) == {1, 2, 3}


def test_without_them_the_series_are_those_of_before() -> None:
    assert draw_spec("burned-area", DATA, 4, np.random.default_rng(0)).earlier_fire_chance == 0
    earlier = dataclasses.replace(DATA, earlier_fires=0.2)
    assert draw_spec("burned-area", earlier, 4, np.random.default_rng(0)).earlier_fire_chance == 0.2
    assert not {"late_start", "earlier_fires"} & plain(DataConfig()).keys()
    assert "unseen_clock" not in plain(NetworkConfig())


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigRefused, match="earlier_fires: expected 0"):
        TrainConfig(theme="tree-cover", name="trees", data=dataclasses.replace(DATA, earlier_fires=0.2))
    with pytest.raises(ConfigRefused, match=r"late_start.*shares in 0\.\.1"):
        DataConfig(late_start=1.5)


def test_a_network_goes_on_with_the_clock_that_it_had_not(tmp_path: Path) -> None:
    first = train(TINY, tmp_path / "first")
    clocked = dataclasses.replace(
        TINY, network=NetworkConfig(widths=(4, 6), memory=(4, 6), unseen_clock=True),
        fit=dataclasses.replace(TINY.fit, start=str(first)),
    )  # fmt: skip
    card = read_card(train(clocked, tmp_path / "second"))
    assert card.architecture["unseen_clock"] is True
    assert card.training["start"]["model"] == "tiny@1"
