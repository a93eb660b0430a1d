"""Median-frequency balancing by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.training.class_weights import ClassFrequencies


def test_median_frequency_by_hand() -> None:
    # image 1: 6 of class 0, 2 of class 1; image 2: 3 of class 0, 1 of class 2, 4 that do not count.
    # frequencies: 9/12, 2/8, 1/4 -> median 1/4 -> weights 1/3, 1, 1; class 3 was never seen
    counts = ClassFrequencies(4)
    counts.add(np.array([[0, 0, 0, 1], [0, 0, 0, 1]]), np.ones((2, 4), bool))
    counts.add(np.array([0, 0, 0, 2, 255, 1, 1, 1], np.uint8), np.array([1, 1, 1, 1, 0, 0, 0, 0], bool))
    assert counts.median_frequency_weights() == pytest.approx([1 / 3, 1, 1, 1])
    assert counts.median_frequency_weights().dtype == np.float32


def test_weights_even_out_what_one_image_holds() -> None:
    target = np.repeat([0, 1, 2], [70, 20, 10])
    counts = ClassFrequencies(3)
    counts.add(target, np.ones(100, bool))
    weights = counts.median_frequency_weights()
    assert np.bincount(target, weights[target]) == pytest.approx([20, 20, 20])


def test_nothing_seen_weighs_alike_and_an_unknown_class_is_refused() -> None:
    counts = ClassFrequencies(2)
    counts.add(np.array([255]), np.array([False]))
    assert counts.median_frequency_weights().tolist() == [1, 1]
    with pytest.raises(ValueError, match=r"expected class ids 0\.\.1 where valid; got 0\.\.2"):
        counts.add(np.array([0, 2]), np.array([True, True]))
