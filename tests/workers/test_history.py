from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.card import Change
from models.settling import settle
from workers.history import History

NEVER = -1.0


def follow(
    burned: list[list[float]],
    clear: list[list[bool]] | None = None,
    inside: list[bool] | None = None,
    *,
    lasting: bool = False,
) -> tuple[list[list[int]], list[list[int]]]:
    """Run rows of probabilities of `burned`, a row a date, on the days 100, 110, ...; masks and summary as lists."""
    probs = np.array(burned, np.float32)
    looks = np.array(clear) if clear is not None else probs >= 0
    history = History(np.array([inside or [True] * probs.shape[1]]), Change(name="burned", before=0, after=1))
    masks = []
    for date, (row, look) in enumerate(zip(probs, looks, strict=True)):
        history.look(_probs(row), look[None], 100 + 10 * date)
    for date, mask in enumerate(settle(map(_probs, probs), lasting=lasting)):
        masks.append(history.add(mask, 100 + 10 * date)[0].tolist())
    return masks, [plane[0].tolist() for plane in history.summary()]


def _probs(row: NDArray[np.float32]) -> NDArray[np.float32]:
    burned = np.where(row < 0, np.float32(np.nan), row)[None]
    return np.stack([1 - burned, burned])


def test_change_is_dated_by_the_first_mask_that_shows_it() -> None:
    masks, (change, first, last, confidence, look) = follow([[0.1, 0.9, 0.2], [0.8, 0.9, 0.3], [0.9, 0.9, 0.4]])
    assert masks == [[0, 1, 0], [1, 1, 0], [1, 1, 0]]
    assert change == [110, 0, 0]
    assert first == [2, 1, 1]
    assert last == [3, 3, 3]
    assert look == [120, 120, 120]
    assert confidence == [90, 90, 60]


def test_a_pixel_that_changes_twice_has_its_last_change() -> None:
    _, (change, first, *_) = follow([[0.1], [0.9], [0.1], [0.9], [0.1]])
    assert (change, first) == ([130], [5])


def test_what_was_never_seen_is_nodata() -> None:
    masks, (change, first, last, confidence, look) = follow([[NEVER, NEVER], [NEVER, 0.2], [NEVER, 0.7]])
    assert masks == [[255, 255], [255, 0], [255, 1]]
    assert (change, first, last, confidence, look) == ([0, 120], [0, 3], [0, 3], [-1, 70], [0, 120])


def test_a_first_look_at_what_is_already_there_is_no_change() -> None:
    _, (change, *_) = follow([[NEVER], [0.9], [0.9]])
    assert change == [0]


def test_dates_that_are_not_clear_do_not_count_as_seen() -> None:
    masks, (change, _, last, _, look) = follow([[0.1], [0.1], [0.9]], clear=[[True], [False], [False]])
    assert masks == [[0], [0], [1]]
    assert (change, last, look) == ([120], [1], [100])


def test_pixels_outside_the_area_are_nodata() -> None:
    masks, summary = follow([[0.1, 0.1], [0.9, 0.9]], inside=[True, False])
    assert masks == [[0, 255], [1, 255]]
    assert [plane[1] for plane in summary] == [0, 0, 0, -1, 0]


def test_three_classes() -> None:
    history = History(np.ones((1, 2), bool), Change(name="cleared", before=2, after=0))
    for day, probs in ((5, [[0.1, 0.2], [0.2, 0.5], [0.7, 0.3]]), (9, [[0.6, 0.2], [0.2, 0.2], [0.2, 0.6]])):
        row = np.array(probs, np.float32)[:, None]
        history.look(row, np.ones((1, 2), bool), day)
        (settled,) = settle([row], lasting=False)
        mask = history.add(settled, day)
    assert mask.tolist() == [[0, 2]]
    assert next(history.summary()).tolist() == [[9, 0]]


def test_what_lasts_only_grows_and_is_dated_by_the_first_alarm_that_held() -> None:
    masks, (change, first, _, confidence, _) = follow([[0.1, 0.2], [0.8, 0.9], [0.41, 0.2], [0.45, 0.9]], lasting=True)
    assert masks == [[0, 0], [1, 0], [1, 0], [1, 1]]
    assert (change, first, confidence) == ([110, 130], [2, 4], [45, 90])


def test_at_the_first_date_nothing_that_lasts_has_set_in_yet() -> None:
    masks, (change, first, *_) = follow([[0.9, 0.9], [0.9, 0.1]], lasting=True)
    assert (masks, change, first) == ([[0, 0], [1, 0]], [110, 0], [2, 1])
    masks, _ = follow([[0.9, NEVER]], lasting=True)
    assert masks == [[0, 255]]


def test_under_cloud_an_alarm_holds() -> None:
    """A date that is not clear repeats the one before."""
    masks, (change, *_) = follow([[0.1], [0.9], [0.9], [0.95]], clear=[[True], [True], [False], [True]], lasting=True)
    assert (masks, change) == ([[0], [1], [1], [1]], [110])


def test_an_alarm_that_the_last_date_refutes_is_taken_back_everywhere() -> None:
    masks, (change, first, _, confidence, _) = follow([[0.1, NEVER], [0.8, 0.9], [0.35, 0.95]], lasting=True)
    assert masks == [[0, 255], [0, 1], [0, 1]]
    assert (change, first, confidence) == ([0, 0], [1, 2], [65, 95])


def test_what_lasts_and_was_never_seen_is_nodata() -> None:
    masks, _ = follow([[NEVER], [NEVER]], lasting=True)
    assert masks == [[255], [255]]
    assert [*settle([], lasting=True)] == []
