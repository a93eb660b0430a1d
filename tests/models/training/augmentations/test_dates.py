"""Dropped and shifted dates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import ConfigRefused
from models.training.augmentations.dates import DropDates, ShiftDates
from tests.models.training.chip import make_chip

seeds = st.integers(0, 10_000)


@settings(deadline=None, max_examples=25)
@given(seed=seeds, dates=st.integers(1, 8))
def test_a_dropped_date_was_seen_by_nobody_and_the_others_are_untouched(seed: int, dates: int) -> None:
    chip = make_chip(seed, dates=dates, height=12, width=12)
    left = DropDates(chance=0.5)(chip, np.random.default_rng(seed))
    for t in range(dates):
        kept = np.array_equal(left.clear[t], chip.clear[t]) and np.array_equal(
            left.reflectance[t], chip.reflectance[t], equal_nan=True
        )
        assert kept or (t > 0 and not left.clear[t].any() and not left.reflectance[t].any())
    assert np.array_equal(left.days, chip.days)
    assert np.array_equal(left.target, chip.target)


def test_every_date_but_the_first_may_be_dropped() -> None:
    chip = make_chip(0, dates=4)
    assert DropDates(chance=1)(chip, np.random.default_rng(0)).clear.any((1, 2)).tolist() == [True] + 3 * [False]


@settings(deadline=None, max_examples=50)
@given(seed=seeds, dates=st.integers(1, 12), jitter=st.integers(0, 60))
def test_shifted_dates_keep_their_order_and_their_bounds(seed: int, dates: int, jitter: int) -> None:
    chip = make_chip(seed, dates=dates, height=2, width=2)
    other = ShiftDates(chance=1, jitter_days=jitter)(chip, np.random.default_rng(seed))
    moved = other.days - chip.days
    assert np.all(np.diff(other.days) > 0)
    assert moved.min() >= -jitter
    assert moved.max() <= 364 + jitter
    assert np.all(moved == np.trunc(moved))
    assert other.days.dtype == np.float32
    assert np.ptp(moved) <= 2 * jitter


def test_jitter_moves_dates_one_by_one() -> None:
    chip = make_chip(3, dates=10)
    moved = ShiftDates(chance=1, max_days=0, jitter_days=5)(chip, np.random.default_rng(1)).days - chip.days
    assert len(np.unique(moved)) > 3
    assert np.abs(moved).max() <= 5
    still = ShiftDates(chance=0, jitter_days=5)(chip, np.random.default_rng(1))
    assert np.array_equal(still.days, chip.days)


@pytest.mark.parametrize("values", [{"max_days": -1}, {"jitter_days": -1}, {"chance": 1.5}])
def test_a_senseless_value_is_refused(values: dict[str, int]) -> None:
    with pytest.raises(ConfigRefused, match="shift_dates"):
        ShiftDates(**values)
