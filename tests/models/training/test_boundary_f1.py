"""Boundary F1: by hand, against distances of all pairs of points, and exact in windows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist

from models.training.boundary_f1 import BoundaryF1, boundary, windows_with_cores

CLASSES = 3
Ids = NDArray[np.int64]


def blobs(seed: int, height: int = 41, width: int = 53) -> Ids:
    """Smooth patches of three classes."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(CLASSES, height, width)), (0, 3, 3))
    ids: Ids = noise.argmax(0)
    return ids


def edge_points(ids: Ids, valid: NDArray[np.bool_], of: int) -> NDArray[np.float64]:
    """Boundary pixels of a class, found pixel by pixel."""
    points = []
    for row, col in np.argwhere((ids == of) & valid):
        for near in ((row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1)):
            inside = 0 <= near[0] < ids.shape[0] and 0 <= near[1] < ids.shape[1]
            if inside and valid[near] and ids[near] != of:
                points.append((row, col))
                break
    return np.array(points, float).reshape(-1, 2)


def f1_of_all_pairs(truth: Ids, mask: Ids, valid: NDArray[np.bool_], of: int, tolerance_px: float) -> float:
    true, given_points = edge_points(truth, valid, of), edge_points(mask, valid, of)
    if len(true) + len(given_points) == 0:
        return math.nan
    if min(len(true), len(given_points)) == 0:
        return 0.0
    near = cdist(given_points, true) <= tolerance_px
    precision, recall = near.any(1).mean(), near.any(0).mean()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def test_a_boundary_by_hand() -> None:
    ids = np.array([[0, 0, 0, 1], [0, 0, 1, 1], [0, 0, 0, 0]])
    expected = np.array([[0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1]], bool)
    assert np.array_equal(boundary(ids, np.ones((3, 4), bool)), expected)
    # with the upper corner unknown, nothing is known beside it
    valid = np.ones((3, 4), bool)
    valid[0, 3] = False
    expected[0, 3] = False
    assert np.array_equal(boundary(ids, valid), expected)


def test_f1_by_hand() -> None:
    # edges between columns 3|4 in truth and 5|6 in the mask: class 0 ends at 3 and 5, class 1 begins at 4 and 6
    truth, mask = (np.broadcast_to(np.arange(10) >= at, (6, 10)).astype(int) for at in (4, 6))
    for tolerance, expected in ((0, 0), (1.9, 0), (2, 1)):
        score = BoundaryF1(2, tolerance_px=tolerance)
        score.add(truth, mask, np.ones((6, 10), bool), image="a")
        assert [score.f1(0), score.f1(1), score.mean_f1()] == [expected] * 3


def test_precision_and_recall_by_hand() -> None:
    # the mask has the true edge, and an island of one pixel: class 1 gives 6 + 1 points, 6 of them near
    truth = np.broadcast_to(np.arange(12) >= 8, (6, 12)).astype(int)
    mask = truth.copy()
    mask[2, 2] = 1
    score = BoundaryF1(2, tolerance_px=0)
    score.add(truth, mask, np.ones((6, 12), bool), image=0)
    assert score.f1(1) == pytest.approx(2 * (6 / 7) / (6 / 7 + 1))
    assert score.f1(0) == pytest.approx(2 * (6 / 10) / (6 / 10 + 1))  # and 4 points of class 0 around the island


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 1000), tolerance=st.sampled_from([0, 1, 1.5, 3]), side=st.sampled_from([5, 16, 100]))
def test_streamed_in_windows_it_is_the_definition_on_the_whole(seed: int, tolerance: float, side: int) -> None:
    truth, mask = blobs(seed), blobs(seed + 1)
    valid = np.random.default_rng(seed).uniform(size=truth.shape) > 0.05
    score = BoundaryF1(CLASSES, tolerance_px=tolerance)
    for part in windows_with_cores(*truth.shape, side_px=side, margin_px=score.margin_px):
        at = part.window
        score.add(truth[at], np.where(valid, mask, 255)[at], valid[at], image="one", core=part.core)
    expected = [f1_of_all_pairs(truth, mask, valid, k, tolerance) for k in range(CLASSES)]
    assert [score.f1(k) for k in range(CLASSES)] == pytest.approx(expected, nan_ok=True)


def test_without_its_margin_a_window_would_be_wrong() -> None:
    truth, mask = blobs(1), blobs(2)
    whole, bare = BoundaryF1(CLASSES, tolerance_px=2), BoundaryF1(CLASSES, tolerance_px=2)
    whole.add(truth, mask, np.ones(truth.shape, bool), image=0)
    for part in windows_with_cores(*truth.shape, side_px=8, margin_px=0):
        bare.add(truth[part.window], mask[part.window], np.ones(truth.shape, bool)[part.window], image=0)
    assert whole.margin_px == 3
    assert bare.mean_f1() != whole.mean_f1()


def test_images_are_scored_one_by_one() -> None:
    truth, flat, valid = blobs(3), np.zeros((41, 53), int), np.ones((41, 53), bool)
    score = BoundaryF1(CLASSES, tolerance_px=1)
    assert math.isnan(score.mean_f1())
    score.add(truth, truth, valid, image="right")
    score.add(truth, flat, valid, image="nothing found")
    score.add(flat, flat, valid, image="nothing there")
    assert score.f1(0) == score.mean_f1() == pytest.approx(0.5)


@pytest.mark.parametrize("tolerance", [-1, math.nan, math.inf])
def test_a_senseless_tolerance_is_refused(tolerance: float) -> None:
    with pytest.raises(ValueError, match="a tolerance of 0 px or more; got 2"):
        BoundaryF1(2, tolerance_px=tolerance)
