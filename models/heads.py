"""Heads of recurrent networks: from a date's logits to log-probabilities, remembered where a date is not clear."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SURVIVAL_FLOOR = -1e-6
"""Log-survival nearest to zero that the loss sees: log(1 - exp(0)) has no gradient."""


class ClassHead(nn.Module):
    """Class per date: softmax over classes; a date that is not clear repeats the last look.

    The memory is the log-probability of every class, (B, K, H, W).
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.logits = classes
        self.memory = classes

    def forward(self, logits_BKHW: Tensor, clear_B1HW: Tensor, memory_BKHW: Tensor) -> tuple[Tensor, Tensor]:
        """Return (log-probabilities (B, K, H, W), new memory)."""
        now = functional.log_softmax(logits_BKHW, dim=1)
        memory = torch.where(clear_B1HW, now, memory_BKHW)
        return memory, memory


class HazardHead(nn.Module):
    """Two classes, 0 before and 1 after a change that never goes back: discrete-time survival analysis.

    The logit of a date is the hazard h of the interval that ends there; P(after) = 1 - prod(1 - h) over the clear
    dates so far, so that it only grows. The memory is the log-survival, sum of log(1 - h), (B, 1, H, W).
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        if classes != 2:
            raise ValueError(f"a hazard has 2 classes, before and after; got {classes}")
        self.logits = 1
        self.memory = 1

    def forward(self, logits_B1HW: Tensor, clear_B1HW: Tensor, memory_B1HW: Tensor) -> tuple[Tensor, Tensor]:
        """Return (log-probabilities (B, 2, H, W), new memory)."""
        survival = torch.where(clear_B1HW, memory_B1HW - functional.softplus(logits_B1HW), memory_B1HW)
        after = torch.log(-torch.expm1(survival.clamp(max=SURVIVAL_FLOOR)))
        return torch.cat([survival, after], dim=1), survival


HEADS: dict[str, type[ClassHead] | type[HazardHead]] = {"class": ClassHead, "hazard": HazardHead}
