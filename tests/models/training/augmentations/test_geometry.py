"""Image, clear mask and truth move together, and what comes from outside counts nowhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, maximum_filter, minimum_filter

from models.card import MASK_NODATA
from models.errors import ConfigRefused
from models.training.augmentations.geometry import (
    Crop,
    Flip,
    Misregister,
    Rotate,
    cropped,
    flipped,
    misregistered,
    quarter_turned,
    rotated,
)
from models.training.augmentations.resampling import turned_places
from models.training.chips import Chip
from tests.models.training.chip import make_chip, same

seeds = st.integers(0, 10_000)
sides = st.integers(1, 13)
few = settings(deadline=None, max_examples=15)


def away_from_edges(target: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Pixels within whose reach, magnified twice and turned, an interpolation mixes nothing but their class."""
    least, most = (f(target, (1, 7, 7), mode="constant", cval=-1) for f in (minimum_filter, maximum_filter))
    uniform: NDArray[np.bool_] = least == most
    return uniform


def assert_the_image_still_tells_the_truth(chip: Chip) -> None:
    assert set(np.unique(chip.target)) <= {0, 1, 2, MASK_NODATA}
    assert not chip.clear[chip.target == MASK_NODATA].any()
    image = np.moveaxis(chip.reflectance, 1, 0)
    assert np.all(image[1][chip.clear] == pytest.approx(1, abs=1e-5))
    told = chip.clear & away_from_edges(chip.target)
    assert told.sum() > 50
    assert np.allclose(image[0][told], chip.target[told] / 2, atol=1e-5)
    assert chip.reflectance.dtype == np.float32
    assert chip.target.dtype == np.int64


@few
@given(seed=seeds, height=sides, width=sides, rows=st.booleans(), cols=st.booleans())
def test_flipping_twice_changes_nothing(seed: int, height: int, width: int, rows: bool, cols: bool) -> None:
    chip = make_chip(seed, height=height, width=width)
    once = flipped(chip, rows=rows, cols=cols)
    assert same(flipped(once, rows=rows, cols=cols), chip)
    assert same(flipped(flipped(chip, rows=True), cols=True), quarter_turned(chip, 2))


@few
@given(seed=seeds, height=sides, width=sides, turns=st.integers(-4, 4))
def test_turning_there_and_back_changes_nothing(seed: int, height: int, width: int, turns: int) -> None:
    chip = make_chip(seed, height=height, width=width)
    assert same(quarter_turned(quarter_turned(chip, turns), -turns), chip)


@few
@given(seed=seeds, side=sides, turns=st.integers(-2, 2))
def test_rotation_by_quarters_is_rot90(seed: int, side: int, turns: int) -> None:
    chip = make_chip(seed, height=side, width=side)
    turned, expected = rotated(chip, angle_deg=90 * turns), quarter_turned(chip, turns)
    assert np.array_equal(turned.target, expected.target)
    assert np.array_equal(turned.clear, expected.clear)
    assert np.array_equal(turned.reflectance, np.nan_to_num(expected.reflectance))


@few
@given(seed=seeds, height=sides, width=sides)
def test_half_a_turn_and_no_turn_lose_nothing_of_any_chip(seed: int, height: int, width: int) -> None:
    chip = make_chip(seed, height=height, width=width)
    for angle, expected in ((0, chip), (180, quarter_turned(chip, 2)), (-360, chip)):
        turned = rotated(chip, angle_deg=angle)
        assert np.array_equal(turned.clear, expected.clear)
        assert np.array_equal(turned.target, expected.target)


@few
@given(seed=seeds, angle=st.floats(-180, 180), scale=st.floats(0.5, 2))
def test_resampling_is_scipys(seed: int, angle: float, scale: float) -> None:
    values = np.random.default_rng(seed).uniform(1, 2, (17, 23)).astype(np.float32)
    places = turned_places(17, 23, angle_deg=angle, scale=scale)
    matrix = np.array([[np.cos(np.radians(angle)), np.sin(np.radians(angle))]] * 2) / scale
    matrix[1] = -matrix[0, 1], matrix[0, 0]
    centre = np.array([8.0, 11.0])
    theirs = affine_transform(values.astype(float), matrix, centre - matrix @ centre, order=1)
    sure = ~(np.isclose(places.rows, 0) | np.isclose(places.rows, 16) | np.isclose(places.cols, 0))
    sure &= ~np.isclose(places.cols, 22)  # rounding decides whether the outermost pixels are inside
    assert np.allclose(places.bilinear(values)[sure], theirs[sure], atol=1e-5)
    ids = (values > 1.5).astype(np.int64)
    halves = np.isclose(np.abs(places.rows % 1), 0.5, atol=1e-4) | np.isclose(np.abs(places.cols % 1), 0.5, atol=1e-4)
    nearest = affine_transform(ids, matrix, centre - matrix @ centre, order=0)
    inside = sure & places.inside() & ~halves
    assert np.array_equal(places.nearest(ids, 255)[inside], nearest[inside])
    assert np.all(places.nearest(ids, 255)[~places.inside()] == 255)


def test_bilinear_by_hand() -> None:
    # one corner pixel of four is not clear: the middle, which mixes all four, is not; the corners stay themselves
    places = turned_places(3, 3, angle_deg=45, scale=2**0.5)
    assert places.rows[0, 1] == pytest.approx(0.5)
    assert places.cols[0, 1] == pytest.approx(1.5)
    values = np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8]], np.float32)
    assert places.bilinear(values)[0, 1] == pytest.approx((1 + 2 + 4 + 5) / 4)
    holds = np.ones((3, 3), bool)
    holds[0, 2] = False
    assert not places.every(holds)[0, 1]
    assert places.every(holds)[1, 1]


@few
@given(seed=seeds)
def test_truth_and_image_move_together(seed: int) -> None:
    rng, chip = np.random.default_rng(seed), make_chip(seed, height=48, width=60)
    for step in (Flip(), Rotate(chance=1, scale=(1, 2)), Crop(36)):
        chip = step(chip, rng)
        assert_the_image_still_tells_the_truth(chip)
    assert chip.clear.shape == chip.target.shape == (3, 36, 36)


def test_what_is_turned_in_from_outside_counts_nowhere() -> None:
    chip = make_chip(1)
    turned = rotated(chip, angle_deg=45)
    corner = (slice(None), slice(4), slice(4))
    assert np.all(turned.target[corner] == MASK_NODATA)
    assert not turned.clear[corner].any()
    assert np.all(rotated(chip, scale=0.5).target[:, :9] == MASK_NODATA)
    assert not np.any(rotated(chip, scale=2).target == MASK_NODATA)


def test_scale_magnifies_about_the_centre() -> None:
    position = rotated(make_chip(2, height=41, width=41), scale=2)
    row, clear = position.reflectance[0, 2] * 100, position.clear[0]
    assert np.allclose(row[clear], np.broadcast_to(20 + (np.arange(41)[:, None] - 20) / 2, (41, 41))[clear], atol=1e-4)


@few
@given(seed=seeds, px=st.integers(1, 30), height=st.integers(1, 30), width=st.integers(1, 30))
def test_a_crop_is_a_window_of_the_chip_whole_or_padded(seed: int, px: int, height: int, width: int) -> None:
    chip = make_chip(seed, height=height, width=width)
    crop = Crop(px)(chip, np.random.default_rng(seed))
    assert crop.clear.shape[-2:] == (px, px)
    inside = crop.target != MASK_NODATA
    assert inside[0].sum() == min(px, height) * min(px, width)
    rows, cols = (np.unique(at) for at in np.nonzero(inside[0]))
    assert np.array_equal(rows, np.arange(rows[0], rows[-1] + 1))
    found = crop.reflectance[:, :, rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    if crop.clear[0].any():
        first = np.argwhere(crop.clear[0])[0]
        top, left = np.round(crop.reflectance[0, 2:, first[0], first[1]] * 100).astype(int) - first
        at = (..., slice(top + rows[0], top + rows[-1] + 1), slice(left + cols[0], left + cols[-1] + 1))
        assert np.array_equal(found, chip.reflectance[at], equal_nan=True)
        assert np.array_equal(crop.target[inside].reshape(3, len(rows), len(cols)), chip.target[at])


def test_crops_reach_every_corner() -> None:
    chip, rng = make_chip(3, dates=1, height=6, width=7), np.random.default_rng(0)
    chip = replace(chip, target=np.arange(42).reshape(1, 6, 7))
    assert {int(Crop(5)(chip, rng).target[0, 0, 0]) for _ in range(200)} == {0, 1, 2, 7, 8, 9}
    far = cropped(chip, top=50, left=-50, height=3, width=3)
    assert np.all(far.target == MASK_NODATA)
    assert not far.clear.any()


def test_misregistration_by_hand_moves_the_image_over_the_truth() -> None:
    chip = make_chip(4, dates=2)
    moved = misregistered(chip, [(0.25, -0.5), (0, 0)])
    assert np.array_equal(moved.target, chip.target)
    row, col, clear = moved.reflectance[0, 2] * 100, moved.reflectance[0, 3] * 100, moved.clear[0]
    assert np.allclose(row[clear], np.broadcast_to(np.arange(40)[:, None] - 0.25, (40, 40))[clear], atol=1e-4)
    assert np.allclose(col[clear], np.broadcast_to(np.arange(40) + 0.5, (40, 40))[clear], atol=1e-4)
    assert not clear[0].any()
    assert not clear[:, -1].any()
    assert np.array_equal(moved.reflectance[1], chip.reflectance[1], equal_nan=True)
    whole = misregistered(chip, [(3, 0), (0, 0)])
    assert np.array_equal(whole.clear[0, 3:], chip.clear[0, :-3])


@few
@given(seed=seeds, max_px=st.floats(0.1, 2))
def test_misregistration_stays_within_its_bound(seed: int, max_px: float) -> None:
    chip = make_chip(seed, dates=5)
    moved = Misregister(chance=0.6, max_px=max_px)(chip, np.random.default_rng(seed))
    assert np.array_equal(moved.target, chip.target)
    assert np.all(moved.reflectance[:, 1][moved.clear] == pytest.approx(1, abs=1e-5))
    for band in (2, 3):
        there = np.indices((40, 40))[band - 2]
        off = (moved.reflectance[:, band] * 100 - there)[moved.clear]
        assert np.abs(off).max() <= max_px + 1e-3


def test_flips_of_chips_that_are_not_square_keep_their_shape() -> None:
    chip, square = make_chip(5, height=20, width=30), make_chip(5, height=20, width=20)
    ways = {Flip()(chip, np.random.default_rng(seed)).target.tobytes() for seed in range(40)}
    assert len(ways) == 4
    assert len({Flip()(square, np.random.default_rng(seed)).target.tobytes() for seed in range(80)}) == 8
    assert Flip()(chip, np.random.default_rng(1)).clear.shape == (3, 20, 30)


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda: Rotate(chance=-1), "rotate.chance: expected 0..1; got -1"),
        (lambda: Rotate(max_deg=400), "rotate.max_deg: expected 0..180; got 400"),
        (lambda: Rotate(scale=(2, 1)), "rotate.scale: expected [least, largest] above 0"),
        (lambda: Crop(0), "crop.px: expected 1 or more; got 0"),
        (lambda: Misregister(max_px=-1), "misregister.max_px: expected 0 or more; got -1"),
    ],
)
def test_a_senseless_value_is_refused(build: type[object], reason: str) -> None:
    with pytest.raises(ConfigRefused) as caught:
        build()
    assert reason in str(caught.value)
