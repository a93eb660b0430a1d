"""Calibration error: by hand, against scikit-learn's calibration curve, streamed in windows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.calibration import calibration_curve

from models.training.calibration import Calibration


def two_classes(*confidences: float) -> NDArray[np.float64]:
    """Probabilities (2, 1, N) of pixels that are given class 1."""
    ones = np.array([confidences])
    return np.stack([1 - ones, ones])


def test_error_by_hand() -> None:
    # ten bins: 0.95, 0.91 (right, wrong) and 0.65 (right): |1 - 1.86| + |1 - 0.65| over three pixels
    score = Calibration(2, bins=10)
    probs, truth = two_classes(0.95, 0.91, 0.65, 0.8), np.array([[1, 0, 1, 255]])
    score.add(probs, truth, truth != 255)
    assert score.error() == pytest.approx((0.86 + 0.35) / 3)
    confidence, accuracy = score.curve()
    assert confidence[9] == pytest.approx(0.93)
    assert accuracy[9] == 0.5
    assert score.counts_M.tolist() == [0, 0, 0, 0, 0, 0, 1, 0, 0, 2]
    assert np.isnan(confidence[:6]).all()


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000), bins=st.integers(1, 20), side=st.integers(3, 30))
def test_windows_add_up_to_scikit_learns_curve(seed: int, bins: int, side: int) -> None:
    rng = np.random.default_rng(seed)
    probs = softmax(rng.normal(size=(4, 23, 31)) * 2, axis=0)
    truth, valid = rng.integers(0, 4, (23, 31)), rng.uniform(size=(23, 31)) > 0.2
    spoiled = np.where(valid, probs, np.nan)
    score = Calibration(4, bins=bins)
    for row in range(0, 23, side):
        at = slice(row, row + side)
        score.add(spoiled[:, at], truth[at], valid[at])
    right, confidence = (probs.argmax(0) == truth)[valid], probs.max(0)[valid]
    their_accuracy, their_confidence = calibration_curve(right, confidence, n_bins=bins)
    filled = score.counts_M > 0
    assert score.curve()[0][filled] == pytest.approx(their_confidence)
    assert score.curve()[1][filled] == pytest.approx(their_accuracy)
    weighted = np.abs(their_accuracy - their_confidence) * score.counts_M[filled] / valid.sum()
    assert score.error() == pytest.approx(weighted.sum())


def test_honest_and_boastful() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 20_000)
    truth = (rng.uniform(size=20_000) < confidence).astype(int)[None]
    honest, boastful = Calibration(2), Calibration(2)
    honest.add(two_classes(*confidence), truth, np.ones(truth.shape, bool))
    boastful.add(two_classes(*np.ones(20_000)), truth, np.ones(truth.shape, bool))
    assert honest.error() < 0.02
    assert boastful.error() == pytest.approx(0.25, abs=0.02)
    assert math.isnan(Calibration(2).error())


@pytest.mark.parametrize(
    ("probs", "reason"),
    [
        (np.full((2, 1, 2), np.nan), "apply softmax first"),
        (np.full((2, 1, 2), 3.0), "apply softmax first"),
        (np.full((3, 1, 2), 0.3), "expected 2 classes; got 3"),
    ],
)
def test_what_are_no_probabilities_are_refused(probs: NDArray[np.float64], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Calibration(2).add(probs, np.zeros((1, 2), int), np.ones((1, 2), bool))
