"""What all looks say of each date: against all ways in which it may have happened, counted one by one."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from models.card import MASK_NODATA, Card, Change
from models.errors import ConfigRefused
from models.heads import FilterHead
from models.lasting import HAZARD
from models.registry import find_model
from models.settling import SETS_IN, settle
from models.training.config import read_config, shipped_config
from models.training.hindsight import hindsight
from models.training.recurrent import SeriesLesson

DATES, SHAPE = 6, (5, 11)
SMOOTHED = Change(name="burned", before=0, after=1, lasting=True, hindsight=True)


def filtered(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return random evidence (T, H, W), clear looks (T, H, W), and what a filter believes (1, T, 2, H, W)."""
    generator = torch.Generator().manual_seed(seed)
    evidence = 2.5 * torch.randn(DATES, *SHAPE, generator=generator)
    clear = torch.rand(DATES, *SHAPE, generator=generator) > 0.35
    head, memory, believed = FilterHead(2), torch.zeros(1, 1, *SHAPE), []
    for date in range(DATES):
        logprobs, memory = head(evidence[date, None, None], clear[date, None, None], memory)
        believed.append(logprobs)
    return evidence, clear, torch.stack(believed, 1)


def by_counting(evidence_T: torch.Tensor, clear_T: torch.Tensor) -> list[float]:
    """Probability that one pixel has changed by each clear look: the sum over all histories that say so."""
    looks = [float(value) for value, clear in zip(evidence_T, clear_T, strict=True) if clear]
    weights = [
        (1 - HAZARD) ** before * (HAZARD if before < len(looks) else 1) * math.exp(sum(looks[before:]))
        for before in range(len(looks) + 1)
    ]
    return [sum(weights[: look + 1]) / sum(weights) for look in range(len(looks))]


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_sum_over_all_histories(seed: int) -> None:
    evidence, clear, believed = filtered(seed)
    told = hindsight(believed, clear[None]).exp()[0, :, 1]
    for row in range(SHAPE[0]):
        for col in range(SHAPE[1]):
            at = clear[:, row, col]
            assert told[at, row, col].tolist() == pytest.approx(by_counting(evidence[:, row, col], at), abs=1e-5)


def test_the_last_date_knows_no_more_than_the_filter() -> None:
    _, clear, believed = filtered(7)
    torch.testing.assert_close(hindsight(believed, clear[None])[:, -1], believed[:, -1])


def test_masks_of_jobs_say_what_training_asked_for() -> None:
    """But for what is rounded away: probabilities within a hundredth of where the change counts as set in."""
    compared = 0
    for seed in range(5):
        _, clear, believed = filtered(seed)
        told = hindsight(believed, clear[None]).exp()[0, :, 1].numpy()
        seen = np.maximum.accumulate(clear.numpy(), axis=0)
        probs = np.where(seen[:, None], believed.exp()[0].numpy(), np.nan).astype(np.float32)
        masks = np.stack([*settle(probs, SMOOTHED)])
        assert (masks[~seen] == MASK_NODATA).all()
        assert (masks[-1] == (probs[-1, 1] > SETS_IN))[seen[-1]].all()
        sure = clear.numpy() & (np.abs(told - SETS_IN) > 0.02)
        np.testing.assert_array_equal(masks[sure] == 1, told[sure] > SETS_IN)
        compared += int(sure.sum())
    assert compared > 500


def test_hindsight_is_for_what_lasts() -> None:
    config = read_config(shipped_config("tree-cover"))
    with pytest.raises(ConfigRefused, match=r"fit\.hindsight: expected 0"):
        SeriesLesson(dataclasses.replace(config, fit=dataclasses.replace(config.fit, hindsight=0.5)))
    card, _ = find_model("tree-cover")
    change = {**card.change.model_dump(), "hindsight": True}
    with pytest.raises(ValueError, match="hindsight is for a lasting change"):
        Card.model_validate({**card.model_dump(), "change": change})
