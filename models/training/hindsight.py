"""A lasting change with hindsight, for training: what all looks of a series together say of each date."""

from __future__ import annotations

import torch
from torch import Tensor

from models.heads import UNSEEN_ODDS
from models.lasting import HAZARD

_BOUND = 30.0
"""Evidence is kept within this, in the range of float32."""


def hindsight(logprobs_BTKHW: Tensor, clear_BTHW: Tensor) -> Tensor:
    """Turn what a filter believes at each date into what is believed of that date once the last look has been seen.

    Each clear look's evidence is what lifted the filter's odds beyond what was predicted; a backward pass over the
    same chain of two states (`models.heads.FilterHead`) carries it to earlier dates. `models.settling` does the same
    to the probabilities of a job.

    Args:
        logprobs_BTKHW: of the filter, K = 2: before and after the change.
        clear_BTHW: bool, dates that were looked at.

    Returns:
        Log-probabilities of the same shape.

    Source:
        Sarkka 2013, "Bayesian filtering and smoothing", chapter 8, for a chain of two states.
    """
    odds_BTHW = logprobs_BTKHW[:, :, 1] - logprobs_BTKHW[:, :, 0]  # as logarithms
    unseen = odds_BTHW.new_full(odds_BTHW[:, :1].shape, UNSEEN_ODDS)
    earlier = torch.cat([unseen, odds_BTHW[:, :-1].exp()], dim=1)
    evidence_BTHW = odds_BTHW - torch.log((earlier + HAZARD) / (1 - HAZARD))
    later = torch.zeros_like(odds_BTHW[:, 0])
    smoothed = []
    for t in reversed(range(odds_BTHW.shape[1])):
        smoothed.append(odds_BTHW[:, t] + later)
        told = (evidence_BTHW[:, t] + later).clamp(-_BOUND, _BOUND)
        later = torch.where(clear_BTHW[:, t], -torch.log(HAZARD + (1 - HAZARD) * torch.exp(-told)), later)
    logit = torch.stack(smoothed[::-1], dim=1)
    softplus = torch.nn.functional.softplus
    return torch.stack([-softplus(logit), -softplus(-logit)], dim=2)
