"""How far the heads are from the truth, over a sample of proposals.

Source: He et al. 2017, "Mask R-CNN", sections 3 and 3.1; Girshick 2015, "Fast R-CNN", section 2.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from models.mask_rcnn.boxes import Weights, encode
from models.mask_rcnn.heads import MASK_SIZE
from models.mask_rcnn.matching import match, sample
from models.mask_rcnn.roi_align import roi_align
from models.mask_rcnn.targets import Targets

BOX_WEIGHTS: Weights = (10.0, 5.0)
FOREGROUND_IOU = 0.5
POSITIVE_SHARE = 0.25
SMOOTH_L1_BETA = 1 / 9


@dataclass(frozen=True)
class Sample:
    """Proposals of one image that a step looks at: P that stand for an instance first, then background.

    Attributes:
        boxes: (N, 4).
        labels: class ids, (N,) int64; 0 for background.
        instances: number of the true instance, (P,) int64.
    """

    boxes: Tensor
    labels: Tensor
    instances: Tensor

    @property
    def positive(self) -> Tensor:
        """Boxes that stand for an instance, (P, 4)."""
        return self.boxes[: len(self.instances)]


@torch.no_grad()
def sample_proposals(proposals: Tensor, targets: Targets, count: int, generator: torch.Generator | None) -> Sample:
    """Draw the proposals of one image that count; the true boxes are among those drawn from."""
    boxes = torch.cat([proposals, targets.boxes])
    matched = match(boxes, targets, low=FOREGROUND_IOU, high=FOREGROUND_IOU, best=False)
    positive, negative = sample(matched, count, POSITIVE_SHARE, generator)
    instances = matched[positive]
    labels = torch.cat([targets.labels[instances], torch.zeros_like(negative)])
    return Sample(boxes[torch.cat([positive, negative])], labels, instances)


def box_losses(
    logits_NK: Tensor, deltas_NC4: Tensor, samples: Sequence[Sample], targets: Sequence[Targets]
) -> dict[str, Tensor]:
    """Return the losses `class` (cross-entropy) and `box` (smooth L1, of the true class's box).

    Args:
        logits_NK: for the samples' boxes, image by image.
        deltas_NC4: a box for each class but the background.
        samples: one per image.
        targets: likewise.
    """
    labels = torch.cat([drawn.labels for drawn in samples])
    count = max(len(labels), 1)
    entropy = functional.cross_entropy(logits_NK, labels, reduction="sum") / count
    wanted = torch.cat(
        [
            encode(truth.boxes[drawn.instances], drawn.positive, BOX_WEIGHTS)
            for drawn, truth in zip(samples, targets, strict=True)
        ]
    )
    positive = torch.nonzero(labels)[:, 0]
    found = deltas_NC4[positive, labels[positive] - 1]
    return {
        "class": entropy,
        "box": functional.smooth_l1_loss(found, wanted, beta=SMOOTH_L1_BETA, reduction="sum") / count,
    }


def mask_loss(logits_PCMM: Tensor, samples: Sequence[Sample], targets: Sequence[Targets]) -> Tensor:
    """Return the mean binary cross-entropy of the true class's mask, over the valid cells.

    Args:
        logits_PCMM: for the positive boxes, a mask for each class but the background.
        samples: one per image.
        targets: likewise.
    """
    if len(logits_PCMM) == 0:
        return logits_PCMM.sum()
    labels = torch.cat([drawn.labels[: len(drawn.instances)] for drawn in samples])
    wanted, valid = zip(
        *(_true_masks(drawn, truth) for drawn, truth in zip(samples, targets, strict=True)), strict=True
    )
    found = logits_PCMM[torch.arange(len(labels), device=labels.device), labels - 1]
    weight = torch.cat(valid)
    entropy = functional.binary_cross_entropy_with_logits(found, torch.cat(wanted), weight, reduction="sum")
    return entropy / weight.sum().clamp(min=1)


@torch.no_grad()
def _true_masks(drawn: Sample, truth: Targets) -> tuple[Tensor, Tensor]:
    """Read the true masks, and where they are known, inside the boxes that stand for them, (P, 28, 28) of 0 or 1."""
    read = []
    for planes in (truth.masks, truth.valid[None].expand_as(truth.masks)):
        one_each = [box[None] for box in drawn.positive]
        cells = (
            roi_align(planes[drawn.instances, None].float(), one_each, 1, MASK_SIZE)[:, 0]
            if one_each
            else drawn.boxes.new_zeros((0, MASK_SIZE, MASK_SIZE))
        )
        read.append((cells >= 0.5).float())
    return read[0], read[1]
