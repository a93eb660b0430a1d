from __future__ import annotations

import math

import pytest
import torch

from models.heads import ClassHead, FilterHead


def test_a_filter_needs_two_classes() -> None:
    assert ClassHead(5).logits == 5
    with pytest.raises(ValueError, match="2 classes"):
        FilterHead(3)


def test_the_filter_by_hand() -> None:
    """Odds after a look are (odds + h) / (1 - h) times the evidence, here 39, 1 / 19, none and 19."""
    head, odds = FilterHead(2), torch.zeros(1, 1, 1, 1)
    chances = []
    for evidence, clear in ((39.0, True), (1 / 19, True), (400.0, False), (19.0, True)):
        logit = torch.full((1, 1, 1, 1), math.log(evidence))
        logprobs, odds = head(logit, torch.full((1, 1, 1, 1), clear), odds)
        assert float(logprobs.exp().sum(1)) == pytest.approx(1)
        chances.append(float(logprobs[0, 1].exp()))
    first, second = 1.0, (1 + 0.025) / 0.975 / 19
    last = (second + 0.025) / 0.975 * 19
    assert chances == pytest.approx([o / (1 + o) for o in (first, second, second, last)], rel=1e-5)


def test_a_filter_that_is_sure_can_still_be_corrected() -> None:
    head, odds, clear = FilterHead(2), torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1, dtype=torch.bool)
    for evidence in (1e3, 1e3, -1e3):
        logprobs, odds = head(torch.full((1, 1, 1, 1), evidence), clear, odds)
        assert torch.isfinite(logprobs).all()
    assert float(logprobs[0, 1].exp()) < 1e-4
