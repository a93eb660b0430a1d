"""Change scores of series: by hand, against scikit-learn's Jaccard scores, streamed in windows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import jaccard_score

from models.training.change_scores import ChangeScores


def series(*dates: list[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """(T, 1, W) class ids."""
    return np.array(dates)[:, None]


def test_scores_by_hand() -> None:
    truth = series([0, 0, 0, 0, 1, 1], [1, 1, 2, 0, 1, 1])
    mask = series([0, 0, 0, 0, 1, 0], [1, 0, 1, 1, 1, 0])
    scores = ChangeScores(3)
    scores.add(truth, mask, np.ones(truth.shape, bool))
    # truly changed: pixels 0, 1, 2; given: 0, 2, 3
    assert scores.bc() == pytest.approx(2 / 4)
    # there, (true, given) after: (1, 1), (1, 0), (2, 1): IoU of class 1 = 1/3, of class 2 = 0; class 0 is never true
    assert scores.sc() == pytest.approx((1 / 3 + 0) / 2)
    assert scores.scs() == pytest.approx((1 / 2 + 1 / 6) / 2)


def test_the_class_is_scored_where_the_change_was_missed() -> None:
    scores = ChangeScores(2)
    scores.add(series([0, 0], [1, 0]), series([1, 0], [1, 0]), np.ones((2, 1, 2), bool))
    assert (scores.bc(), scores.sc(), scores.scs()) == (0, 1, 0.5)


def test_a_pair_counts_where_both_dates_do() -> None:
    truth, mask = series([0, 0, 1], [1, 255, 1], [0, 1, 1]), series([0, 0, 1], [1, 9, 1], [0, 0, 0])
    scores = ChangeScores(2)
    scores.add(truth, mask, truth != 255)
    # the middle pixel's two pairs are lost; the last's change was only given
    assert scores.changed.counts.tolist() == [[1, 1], [0, 2]]
    assert scores.bc() == pytest.approx(2 / 3)


def test_without_change_nothing_is_known() -> None:
    still = series([0, 1], [0, 1])
    scores = ChangeScores(2)
    scores.add(still[:1], still[:1], np.ones((1, 1, 2), bool))
    scores.add(still, still, np.ones(still.shape, bool))
    assert all(math.isnan(score) for score in (scores.bc(), scores.sc(), scores.scs()))


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000), side=st.integers(2, 25))
def test_windows_add_up_to_scikit_learns_scores(seed: int, side: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, (4, 19, 23))
    mask = np.where(rng.uniform(size=truth.shape) < 0.7, truth, rng.integers(0, 4, truth.shape))
    scores = ChangeScores(4)
    for row in range(0, 19, side):
        at = (slice(None), slice(row, row + side))
        scores.add(truth[at], mask[at], np.ones(truth.shape, bool)[at])
    truly, given_change = truth[1:] != truth[:-1], mask[1:] != mask[:-1]
    assert scores.bc() == pytest.approx(jaccard_score(truly.ravel(), given_change.ravel()))
    true, given_ids = truth[1:][truly], mask[1:][truly]
    assert scores.sc() == pytest.approx(jaccard_score(true, given_ids, labels=np.unique(true), average="macro"))
    assert scores.scs() == (scores.bc() + scores.sc()) / 2
