"""Scores of series: the masks and probabilities of one walk, counted as `evaluate` counts them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from geo.simulator.series import simulate, truth
from models.card import MASK_NODATA, Card
from models.training.chips import TEST_SEEDS
from models.training.evaluate import evaluate, held_out_spec, masks_of
from models.training.evaluate_series import Overheard, score_series
from tests.models.training.static_runs import any_card


@dataclasses.dataclass
class Darkness:
    """An engine that calls dark ground burned, and repeats the last look; its card has a halo."""

    card: Card
    memory: int = 7

    def start(self, height: int, width: int) -> NDArray[np.float32]:
        return np.full((2, height, width), np.nan, np.float32)

    def step(
        self, state: NDArray[np.float32], reflectance: NDArray[np.float32], clear: NDArray[np.bool_], day: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        del day
        burned = np.clip(1 - 4 * reflectance[3], 0, 1)
        state[:] = np.where(clear, np.stack([1 - burned, burned]), state)  # the same array again and again
        return state, state


@pytest.fixture
def engine() -> Darkness:
    card = any_card()
    change = card.change.model_copy(update={"lasting": False})
    return Darkness(card.model_copy(update={"stride_px": 8, "radius_px": 12, "change": change}))


def test_what_is_overheard_is_what_masks_are_made_of(engine: Darkness) -> None:
    heard, made = Overheard(engine), simulate(held_out_spec("burned-area", 37), 3)
    assert heard.memory == 7
    for _ in range(2):  # a second series begins anew
        masks = masks_of(heard, made)
    probs = heard.said(made.spec.shape)
    assert probs.shape == (10, 2, 37, 37)
    by_hand = np.where(np.isnan(probs[:, 0]), MASK_NODATA, probs.argmax(1))
    np.testing.assert_array_equal(masks, by_hand)


def test_scores_of_series_agree_with_their_masks(engine: Darkness) -> None:
    scores = score_series(engine, "burned-area", split="test", series=2, side_px=64)
    told = scores.told()
    right = total = 0
    for seed in TEST_SEEDS[:2]:
        made = simulate(held_out_spec("burned-area", 64), seed)
        masks = masks_of(engine, made)
        seen = masks != MASK_NODATA
        right, total = right + int((masks == truth(made))[seen].sum()), total + int(seen.sum())
    assert scores.confusion.counts.sum() == scores.calibration.counts_M.sum() == total
    assert told["accuracy"] == pytest.approx(right / total)
    assert evaluate(engine, "burned-area", split="test", series=2, side_px=64)["accuracy"] == pytest.approx(
        told["accuracy"], abs=0.02
    )
    assert 0 < told["change_bc"] < 1
    chip = scores.extremes.worst()[0]
    assert chip.example.name.startswith("landscape 1100")
    assert (chip.example.mask == MASK_NODATA).mean() <= 0.5
