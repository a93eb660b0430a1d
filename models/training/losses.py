"""Losses on log-probabilities, where a pixel was clear."""

from __future__ import annotations

import torch
from torch import Tensor

DICE_SMOOTH = 100.0
"""Pixels added above and below, so that a batch without the class says little."""


def masked_loss(logprobs_BTKHW: Tensor, target_BTHW: Tensor, clear_BTHW: Tensor, *, dice_weight: float) -> Tensor:
    """Cross-entropy and soft Dice over the clear pixels of a batch.

    Only clear looks count: under a cloud the network repeats itself by construction, and what happened there
    meanwhile cannot be known.

    Args:
        logprobs_BTKHW: log-probabilities, finite.
        target_BTHW: true class ids, int64.
        clear_BTHW: bool.
        dice_weight: of 1 - Dice of class 1 beside the cross-entropy.
    """
    weight = clear_BTHW.float()
    entropy = -logprobs_BTKHW.gather(2, target_BTHW.unsqueeze(2)).squeeze(2)
    mean_entropy = (entropy * weight).sum() / weight.sum().clamp(min=1)
    probs, truth = logprobs_BTKHW[:, :, 1].exp() * weight, (target_BTHW == 1).float() * weight
    dice = (2 * (probs * truth).sum() + DICE_SMOOTH) / (probs.sum() + truth.sum() + DICE_SMOOTH)
    return torch.as_tensor(mean_entropy + dice_weight * (1 - dice))
