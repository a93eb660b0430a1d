"""Spectral indices."""

from __future__ import annotations

import numpy as np

from geo.indices import burned_area_index, normalised_difference


def test_green_leaves_have_a_high_ndvi_and_char_a_high_bai() -> None:
    red, nir = np.array([0.04, 0.10], np.float32), np.array([0.40, 0.06], np.float32)  # leaves, char
    assert np.allclose(normalised_difference(nir, red), [0.36 / 0.44, -0.04 / 0.16])
    assert np.allclose(burned_area_index(red, nir), [1 / (0.06**2 + 0.34**2 + 1e-4), 1e4])


def test_where_nothing_is_reflected_there_is_no_index() -> None:
    dark, darker = np.array([[0.0, 2e-4]], np.float32), np.array([[0.0, 1e-4]], np.float32)
    assert np.array_equal(normalised_difference(dark, darker), np.zeros((1, 2), np.float32))
    assert normalised_difference(dark, dark).dtype == burned_area_index(dark, dark).dtype == np.float32
