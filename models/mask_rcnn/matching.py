"""Which boxes stand for which true instance, and which of them a step of training looks at.

Source: Ren et al. 2015, "Faster R-CNN", section 3.1.2.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.mask_rcnn.boxes import pairwise_iou
from models.mask_rcnn.targets import Targets, valid_share

NOTHING, UNDECIDED = -1, -2
"""Matches beside the instances' numbers: background, and neither nor."""

VALID_SHARE = 0.5
"""A box over less known ground than this is no example of background."""


def match(boxes_N4: Tensor, targets: Targets, *, low: float, high: float, best: bool) -> Tensor:
    """Match boxes to the instances that they overlap most.

    Args:
        boxes_N4: anchors or proposals.
        targets: of their image.
        low: below this overlap a box is background.
        high: from this on it stands for the instance; between, for nothing.
        best: the boxes that overlap an instance most stand for it however little that is.

    Returns:
        Number of the instance, NOTHING or UNDECIDED, (N,) int64.
    """
    known = valid_share(boxes_N4, targets.valid) >= VALID_SHARE
    nothing = torch.where(known, NOTHING, UNDECIDED)
    if len(targets.boxes) == 0:
        return nothing
    iou_NM = pairwise_iou(boxes_N4, targets.boxes)
    most_N, number_N = iou_NM.max(dim=1)
    matched = torch.where(most_N >= high, number_N, torch.where(most_N < low, nothing, UNDECIDED))
    if best:
        best_M = iou_NM.max(dim=0).values
        is_best_N = ((iou_NM == best_M) & (best_M > 0)).any(dim=1)
        matched = torch.where(is_best_N, number_N, matched)
    return matched


def sample(
    matched_N: Tensor, count: int, positive_share: float, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Draw boxes that stand for instances, and background to fill up.

    Args:
        matched_N: from `match`.
        count: boxes to draw.
        positive_share: largest share of them that stand for instances.
        generator: of the draw, on the CPU; None = torch's own.

    Returns:
        Indices of boxes that stand for instances, and of background, each in rising order.
    """
    positive = _draw(torch.nonzero(matched_N >= 0)[:, 0], int(count * positive_share), generator)
    negative = _draw(torch.nonzero(matched_N == NOTHING)[:, 0], count - len(positive), generator)
    return positive, negative


def _draw(indices: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    chosen = torch.randperm(len(indices), generator=generator)[:count]
    return indices[chosen.sort().values.to(indices.device)]
