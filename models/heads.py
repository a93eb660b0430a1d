"""Heads of recurrent networks: from a date's logits to log-probabilities, remembered where a date is not clear."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

HAZARD = 0.025
"""Chance that a pixel changes between two clear looks, before anything is seen of it."""

SURE = 12.0
"""Log-odds are kept within this, so that an error can still be corrected, and in the range of float32."""

UNSEEN_ODDS = 1e-9
"""What the loss sees of odds of 0: their logarithm has no bound."""


class ClassHead(nn.Module):
    """Class per date: softmax over classes; a date that is not clear repeats the last look.

    The memory is the log-probability of every class, (B, K, H, W).
    """

    lasting = False

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.logits = classes
        self.memory = classes

    def forward(self, logits_BKHW: Tensor, clear_B1HW: Tensor, memory_BKHW: Tensor) -> tuple[Tensor, Tensor]:
        """Return (log-probabilities (B, K, H, W), new memory)."""
        now = functional.log_softmax(logits_BKHW, dim=1)
        memory = torch.where(clear_B1HW, now, memory_BKHW)
        return memory, memory


class FilterHead(nn.Module):
    """Two classes, 0 before and 1 after a change that never goes back: a Bayes filter over a hidden two-state chain.

    Between two clear looks the change comes with chance `HAZARD`; the logit of a date is its evidence, log P(look |
    after) / P(look | before), given all earlier looks. What is hidden only goes from 0 to 1, but what is believed of it
    can go down again, so that a later look can refute a false alarm. The memory is the odds of `after`, (B, 1, H, W),
    0 before the first look.

    Source: Sarkka 2013, "Bayesian filtering and smoothing", chapter 4, for a chain of two states.
    """

    lasting = True

    def __init__(self, classes: int) -> None:
        super().__init__()
        if classes != 2:
            raise ValueError(f"a lasting change has 2 classes, before and after; got {classes}")
        self.logits = 1
        self.memory = 1

    def forward(self, logits_B1HW: Tensor, clear_B1HW: Tensor, memory_B1HW: Tensor) -> tuple[Tensor, Tensor]:
        """Return (log-probabilities (B, 2, H, W), new memory)."""
        predicted = torch.log((memory_B1HW + HAZARD) / (1 - HAZARD))
        updated = (predicted + logits_B1HW).clamp(-SURE, SURE).exp()
        odds = torch.where(clear_B1HW, updated, memory_B1HW)
        logit = torch.log(odds.clamp(min=UNSEEN_ODDS))
        return torch.cat([-functional.softplus(logit), -functional.softplus(-logit)], dim=1), odds


HEADS: dict[str, type[ClassHead] | type[FilterHead]] = {"class": ClassHead, "filter": FilterHead}
