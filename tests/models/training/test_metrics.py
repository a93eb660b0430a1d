"""Confusion and its scores: by hand, against scikit-learn, streamed in windows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    jaccard_score,
    precision_score,
    recall_score,
)

from models.training.metrics import Confusion

BY_HAND = Confusion(3)
BY_HAND.counts = np.array([[4, 2, 0], [1, 3, 0], [0, 0, 0]])


def test_scores_by_hand() -> None:
    assert BY_HAND.accuracy() == pytest.approx(7 / 10)
    assert BY_HAND.mean_accuracy() == pytest.approx((4 / 6 + 3 / 4) / 2)
    assert BY_HAND.mean_iou() == pytest.approx((4 / 7 + 3 / 6) / 2)
    assert BY_HAND.frequency_weighted_iou() == pytest.approx(0.6 * 4 / 7 + 0.4 * 3 / 6)
    assert BY_HAND.f1(0) == pytest.approx(8 / 11)
    assert BY_HAND.mean_f1() == pytest.approx((8 / 11 + 6 / 9) / 2)
    assert math.isnan(BY_HAND.iou(2))
    assert BY_HAND.scores()["mean_iou"] == BY_HAND.mean_iou()


def test_a_class_given_and_never_true_counts_as_zero() -> None:
    confusion = Confusion(3)
    confusion.add(np.array([0, 0]), np.array([0, 2]), np.ones(2, bool))
    assert confusion.mean_iou() == pytest.approx((1 / 2 + 0) / 2)
    assert confusion.mean_accuracy() == pytest.approx(1 / 2)


def test_without_pixels_nothing_is_known() -> None:
    assert all(math.isnan(score) for score in Confusion(4).scores().values())


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 5), side=st.integers(1, 40))
def test_windows_of_any_size_add_up_to_scikit_learns_scores(seed: int, classes: int, side: int) -> None:
    rng = np.random.default_rng(seed)
    truth, mask = rng.integers(0, classes, (2, 37, 53))
    valid = rng.uniform(size=truth.shape) > 0.3
    truth[~valid], mask[~valid] = 255, -1
    confusion = Confusion(classes)
    for row in range(0, 37, side):
        for col in range(0, 53, side):
            at = (slice(row, row + side), slice(col, col + side))
            confusion.add(truth[at], mask[at], valid[at])
    true, given_ids = truth[valid], mask[valid]
    assert np.array_equal(confusion.counts, confusion_matrix(true, given_ids, labels=range(classes)))
    assert confusion.accuracy() == pytest.approx(accuracy_score(true, given_ids))
    assert confusion.mean_accuracy() == pytest.approx(balanced_accuracy_score(true, given_ids))
    assert confusion.mean_iou() == pytest.approx(jaccard_score(true, given_ids, average="macro"))
    assert confusion.frequency_weighted_iou() == pytest.approx(jaccard_score(true, given_ids, average="weighted"))
    assert confusion.mean_f1() == pytest.approx(f1_score(true, given_ids, average="macro"))
    per_class = {"average": None, "labels": range(classes)}
    for score, theirs in (
        (confusion.iou, jaccard_score), (confusion.f1, f1_score),
        (confusion.precision, precision_score), (confusion.recall, recall_score),
    ):  # fmt: skip
        assert [score(k) for k in range(classes)] == pytest.approx(theirs(true, given_ids, **per_class))


def test_a_pixel_without_a_class_is_refused_where_it_counts() -> None:
    ids, valid = np.array([0, 1]), np.ones(2, bool)
    with pytest.raises(ValueError, match=r"mask: expected class ids 0\.\.1 where valid; got 0\.\.255"):
        Confusion(2).add(ids, np.array([0, 255]), valid)
    with pytest.raises(ValueError, match=r"truth: expected class ids 0\.\.1 where valid; got -1\.\.1"):
        Confusion(2).add(np.array([-1, 1]), ids, valid)
