"""Losses over the pixels that count: one for the recurrent loop, and the published ones with their weighted sums.

All but `masked_loss` read logits, or log-probabilities, which are logits too; gather the valid pixels first, so that
what stands elsewhere (NaN, label 255) can change neither the loss nor a gradient; and give 0 where no pixel is valid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from models.errors import ConfigRefused

DICE_SMOOTH = 100.0
"""Pixels added above and below, so that a batch without the class says little."""

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(logits_BKHW, target_BHW, valid_BHW) -> scalar; axes before K may be more, such as (B, T, K, H, W)."""


def masked_loss(
    logprobs_BTKHW: Tensor,
    target_BTHW: Tensor,
    clear_BTHW: Tensor,
    *,
    dice_weight: float,
    missed_weight: float = 1.0,
) -> Tensor:
    """Cross-entropy and soft Dice over the clear pixels of a batch.

    Only clear looks count: under a cloud the network repeats itself by construction, and what happened there
    meanwhile cannot be known.

    Args:
        logprobs_BTKHW: log-probabilities, finite.
        target_BTHW: true class ids, int64.
        clear_BTHW: bool.
        dice_weight: of 1 - Dice of class 1 beside the cross-entropy.
        missed_weight: of pixels of class 1 in the cross-entropy, those of other classes having 1. Such a weight makes a
            network say class 1 with odds that are as many times too high; here the loss raises the odds itself, so that
            the network's own stay true. Two classes.

    Source:
        Menon et al. 2021, "Long-tail learning via logit adjustment", for the odds.
    """
    weight = clear_BTHW.float()
    if missed_weight != 1:
        raised = torch.tensor([0.0, math.log(missed_weight)], device=logprobs_BTKHW.device)
        logprobs_BTKHW = functional.log_softmax(logprobs_BTKHW + raised.reshape(2, 1, 1), dim=2)
    entropy = -logprobs_BTKHW.gather(2, target_BTHW.unsqueeze(2)).squeeze(2)
    costs = weight * torch.where(target_BTHW == 1, missed_weight, 1.0)
    mean_entropy = (entropy * costs).sum() / costs.sum().clamp(min=1)
    probs, truth = logprobs_BTKHW[:, :, 1].exp() * weight, (target_BTHW == 1).float() * weight
    dice = (2 * (probs * truth).sum() + DICE_SMOOTH) / (probs.sum() + truth.sum() + DICE_SMOOTH)
    return torch.as_tensor(mean_entropy + dice_weight * (1 - dice))


def cross_entropy(
    logits_BKHW: Tensor, target_BHW: Tensor, valid_BHW: Tensor, *, class_weights_K: Tensor | None = None
) -> Tensor:
    """Mean of -w log p over the valid pixels, p and w those of the true class, divided by the mean of w.

    Args:
        logits_BKHW: per class.
        target_BHW: true class ids, int64, 0..K-1 where valid.
        valid_BHW: bool, pixels that count.
        class_weights_K: w per class (`models.training.class_weights`); None weighs all alike.

    Raises:
        ValueError: a valid pixel's target is no class.
    """
    return focal(logits_BKHW, target_BHW, valid_BHW, gamma=0.0, class_weights_K=class_weights_K)


def focal(
    logits_BKHW: Tensor,
    target_BHW: Tensor,
    valid_BHW: Tensor,
    *,
    gamma: float = 2.0,
    class_weights_K: Tensor | None = None,
) -> Tensor:
    """Cross-entropy in which easy pixels count less: mean of -w (1 - p)^gamma log p, divided by the mean of w.

    The mean is over valid pixels, as befits dense labels; the paper divides by the number of its positive anchors.

    Args:
        logits_BKHW: per class.
        target_BHW: true class ids, int64, 0..K-1 where valid.
        valid_BHW: bool, pixels that count.
        gamma: 0 is cross-entropy; else 1 or more: below 1 the gradient of a sure pixel has no bound.
        class_weights_K: w per class, the paper's alpha; None weighs all alike.

    Raises:
        ValueError: gamma is out of range, or a valid pixel's target is no class.

    Source:
        Lin, Goyal, Girshick, He, Dollar: Focal loss for dense object detection, ICCV 2017.
    """
    if not (gamma == 0 or gamma >= 1):
        raise ValueError(f"gamma: expected 0, or 1 or more; got {gamma}")
    logprobs_NK, target_N = _valid_logprobs(logits_BKHW, target_BHW, valid_BHW)
    logprob_N = logprobs_NK.gather(1, target_N.unsqueeze(1)).squeeze(1)
    loss_N = -logprob_N if gamma == 0 else -((-torch.expm1(logprob_N)) ** gamma) * logprob_N
    if class_weights_K is None:
        return loss_N.sum() / max(1, len(loss_N))
    weight_N = class_weights_K.to(loss_N)[target_N]
    return (weight_N * loss_N).sum() / weight_N.sum().clamp(min=torch.finfo(weight_N.dtype).tiny)


def soft_dice(logits_BKHW: Tensor, target_BHW: Tensor, valid_BHW: Tensor, *, smooth: float = 1.0) -> Tensor:
    """One minus soft Dice, (2 sum p g + s) / (sum p + sum g + s), meaned over the classes that the truth holds.

    p is the probability and g the truth (0 or 1) of a class; the sums run over all valid pixels of the batch.

    Args:
        logits_BKHW: per class.
        target_BHW: true class ids, int64, 0..K-1 where valid.
        valid_BHW: bool, pixels that count.
        smooth: s, in pixels.

    Raises:
        ValueError: a valid pixel's target is no class.

    Source:
        Milletari, Navab, Ahmadi: V-Net, 3DV 2016; with p and g in the denominator, not their squares.
    """
    probs_NK, truth_NK = _probs_and_truth(logits_BKHW, target_BHW, valid_BHW)
    of_K = (2 * (probs_NK * truth_NK).sum(0) + smooth) / (probs_NK.sum(0) + truth_NK.sum(0) + smooth).clamp(min=1e-12)
    return _mean_over_present(1 - of_K, truth_NK)


def lovasz_softmax(logits_BKHW: Tensor, target_BHW: Tensor, valid_BHW: Tensor) -> Tensor:
    """Lovasz extension of the Jaccard loss, meaned over the classes that the truth holds, all valid pixels pooled.

    At probabilities of 0 and 1 it equals one minus the mean IoU.

    Args:
        logits_BKHW: per class.
        target_BHW: true class ids, int64, 0..K-1 where valid.
        valid_BHW: bool, pixels that count.

    Raises:
        ValueError: a valid pixel's target is no class.

    Source:
        Berman, Rannen Triki, Blaschko: The Lovasz-softmax loss, CVPR 2018, equations 8 and 9 and algorithm 1.
    """
    probs_NK, truth_NK = _probs_and_truth(logits_BKHW, target_BHW, valid_BHW)
    errors_NK, order_NK = (truth_NK - probs_NK).abs().sort(dim=0, descending=True)
    sorted_NK = truth_NK.gather(0, order_NK)
    total_K = sorted_NK.sum(0)
    intersection_NK = total_K - sorted_NK.cumsum(0)  # were the worst 1, 2, ..., N pixels wrong
    union_NK = total_K + (1 - sorted_NK).cumsum(0)
    jaccard_NK = 1 - intersection_NK / union_NK.clamp(min=1)
    gain_NK = torch.cat([jaccard_NK[:1], jaccard_NK[1:] - jaccard_NK[:-1]])
    return _mean_over_present((errors_NK * gain_NK).sum(0), truth_NK)


@dataclass(frozen=True)
class LossSum:
    """A weighted sum of losses, itself a loss.

    Attributes:
        terms: name -> (weight, loss).
    """

    terms: Mapping[str, tuple[float, Loss]]

    def __call__(self, logits_BKHW: Tensor, target_BHW: Tensor, valid_BHW: Tensor) -> Tensor:
        """Return the sum of weight x loss, a scalar."""
        losses = [weight * loss(logits_BKHW, target_BHW, valid_BHW) for weight, loss in self.terms.values()]
        return torch.stack(losses).sum()


LOSSES = ("cross_entropy", "dice", "focal", "lovasz")


def build_loss(
    weights: Mapping[str, float], *, class_weights_K: Tensor | None = None, focal_gamma: float = 2.0
) -> LossSum:
    """Build a sum of losses from its table in a configuration, such as `loss = { cross_entropy = 1.0, dice = 0.5 }`.

    Args:
        weights: name (one of `LOSSES`) -> weight, above 0.
        class_weights_K: for cross-entropy and focal loss; Dice and Lovasz weigh classes alike by definition.
        focal_gamma: of the focal loss.

    Raises:
        ConfigRefused: no loss, an unknown one, a weight that is not above 0, or a gamma between 0 and 1.
    """
    known: dict[str, Loss] = {
        "cross_entropy": partial(cross_entropy, class_weights_K=class_weights_K),
        "dice": soft_dice,
        "focal": partial(focal, gamma=focal_gamma, class_weights_K=class_weights_K),
        "lovasz": lovasz_softmax,
    }
    if not weights or not known.keys() >= weights.keys():
        raise ConfigRefused(f"loss: expected one or more of {', '.join(LOSSES)}; got {', '.join(weights) or 'none'}")
    for name, weight in weights.items():
        if not 0 < weight < float("inf"):
            raise ConfigRefused(f"loss.{name}: expected a weight above 0; got {weight}; leave the line out to drop it")
    if not (focal_gamma == 0 or focal_gamma >= 1):
        raise ConfigRefused(f"focal_gamma: expected 0, or 1 or more; got {focal_gamma}")
    return LossSum({name: (weight, known[name]) for name, weight in weights.items()})


def _valid_logprobs(logits_BKHW: Tensor, target_BHW: Tensor, valid_BHW: Tensor) -> tuple[Tensor, Tensor]:
    """Return the log-probabilities (N, K), float32 at least, and targets (N,) of the N valid pixels."""
    logits_NK, target_N = logits_BKHW.movedim(-3, -1)[valid_BHW], target_BHW[valid_BHW]
    classes = logits_NK.shape[1]
    if len(target_N) and not (int(target_N.min()) >= 0 and int(target_N.max()) < classes):
        raise ValueError(
            f"target: expected class ids 0..{classes - 1} where valid; "
            f"got {int(target_N.min())}..{int(target_N.max())}; mark other pixels as not valid"
        )
    wide = logits_NK if logits_NK.dtype == torch.float64 else logits_NK.float()  # sums of 1e6 terms overflow a half
    return functional.log_softmax(wide, dim=1), target_N


def _probs_and_truth(logits_BKHW: Tensor, target_BHW: Tensor, valid_BHW: Tensor) -> tuple[Tensor, Tensor]:
    """Return probabilities and one-hot truth of the valid pixels, (N, K) each."""
    logprobs_NK, target_N = _valid_logprobs(logits_BKHW, target_BHW, valid_BHW)
    return logprobs_NK.exp(), functional.one_hot(target_N, logprobs_NK.shape[1]).to(logprobs_NK.dtype)


def _mean_over_present(loss_K: Tensor, truth_NK: Tensor) -> Tensor:
    present_K = truth_NK.sum(0) > 0
    return torch.where(present_K, loss_K, 0).sum() / present_K.sum().clamp(min=1)
