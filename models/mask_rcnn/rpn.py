"""The region proposal network: where an object may be, whatever it is.

Source: Ren et al. 2015, "Faster R-CNN"; Lin et al. 2017, "Feature Pyramid Networks" (one head over all levels).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.mask_rcnn.anchors import anchors_of
from models.mask_rcnn.boxes import clip, decode, encode
from models.mask_rcnn.matching import match, sample
from models.mask_rcnn.nms import nms
from models.mask_rcnn.targets import Targets

NMS_IOU = 0.7
LOW_IOU, HIGH_IOU = 0.3, 0.7
SAMPLES, POSITIVE_SHARE = 256, 0.5
SMOOTH_L1_BETA = 1 / 9
SMALLEST_PX = 1.0
"""Proposals with a shorter side than this hold nothing that could be read."""


@dataclass(frozen=True)
class Regions:
    """What the network says of every anchor; L levels, finest first, A_l anchors each.

    Attributes:
        anchors: per level (A_l, 4).
        logits: per level (B, A_l): that an object is there.
        deltas: per level (B, A_l, 4): from the anchor to its box.
    """

    anchors: list[Tensor]
    logits: list[Tensor]
    deltas: list[Tensor]


class RegionProposals(nn.Module):
    """A 3x3 convolution and two 1x1 at every place of every level.

    Args:
        channels: of the pyramid.
        strides: of its levels, finest first.
        anchor_px: size of the anchors of each level.
        ratios: height over width of the anchors of a place.
    """

    def __init__(
        self, channels: int, strides: Sequence[int], anchor_px: Sequence[float], ratios: Sequence[float]
    ) -> None:
        super().__init__()
        self.strides, self.anchor_px, self.ratios = tuple(strides), tuple(anchor_px), tuple(ratios)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.objectness = nn.Conv2d(channels, len(self.ratios), 1)
        self.deltas = nn.Conv2d(channels, 4 * len(self.ratios), 1)
        for convolution in (self.conv, self.objectness, self.deltas):
            nn.init.normal_(convolution.weight, std=0.01)
            if convolution.bias is not None:
                nn.init.zeros_(convolution.bias)

    def forward(self, pyramid: Sequence[Tensor]) -> Regions:
        """Look at every place of every level."""
        anchors, logits, deltas = [], [], []
        for features, stride, size in zip(pyramid, self.strides, self.anchor_px, strict=True):
            batch, _, height, width = features.shape
            hidden = functional.relu(self.conv(features))
            anchors.append(anchors_of((height, width), stride, size, self.ratios, features.device))
            logits.append(self.objectness(hidden).permute(0, 2, 3, 1).reshape(batch, -1).float())
            deltas.append(self.deltas(hidden).permute(0, 2, 3, 1).reshape(batch, -1, 4).float())
        return Regions(anchors, logits, deltas)


@torch.no_grad()
def propose(regions: Regions, shape: tuple[int, int], *, per_level: int, most: int) -> list[Tensor]:
    """Choose the boxes that are worth a closer look.

    Args:
        regions: from the network.
        shape: (height, width) of the images.
        per_level: anchors of each level that come before the suppression of overlaps.
        most: boxes of an image.

    Returns:
        Per image (N, 4), the likeliest first; no gradient goes through them.
    """
    chosen = []
    for image in range(len(regions.logits[0])):
        boxes, scores = [], []
        for anchors, logits, deltas in zip(regions.anchors, regions.logits, regions.deltas, strict=True):
            best = torch.sort(logits[image], descending=True, stable=True).indices[:per_level]
            some = clip(decode(deltas[image, best], anchors[best]), *shape)
            some_scores = logits[image, best]
            solid = ((some[:, 2:] - some[:, :2]) >= SMALLEST_PX).all(dim=1)
            some, some_scores = some[solid], some_scores[solid]
            stays = nms(some, some_scores, NMS_IOU)
            boxes.append(some[stays])
            scores.append(some_scores[stays])
        order = torch.sort(torch.cat(scores), descending=True, stable=True).indices[:most]
        chosen.append(torch.cat(boxes)[order])
    return chosen


def region_losses(regions: Regions, targets: Sequence[Targets], generator: torch.Generator | None) -> dict[str, Tensor]:
    """Return the losses `objectness` (binary cross-entropy) and `proposal_box` (smooth L1).

    Args:
        regions: from the network.
        targets: one per image.
        generator: draws the anchors that count.
    """
    anchors = torch.cat(regions.anchors)
    logits_BN, deltas_BN4 = torch.cat(regions.logits, dim=1), torch.cat(regions.deltas, dim=1)
    objectness, shifts, count = logits_BN.new_zeros(()), logits_BN.new_zeros(()), 0
    for image, truth in enumerate(targets):
        matched = match(anchors, truth, low=LOW_IOU, high=HIGH_IOU, best=True)
        positive, negative = sample(matched, SAMPLES, POSITIVE_SHARE, generator)
        logits = torch.cat([logits_BN[image, positive], logits_BN[image, negative]])
        objects = torch.cat([torch.ones_like(positive), torch.zeros_like(negative)]).float()
        objectness = objectness + functional.binary_cross_entropy_with_logits(logits, objects, reduction="sum")
        wanted = encode(truth.boxes[matched[positive]], anchors[positive])
        found = deltas_BN4[image, positive]
        shifts = shifts + functional.smooth_l1_loss(found, wanted, beta=SMOOTH_L1_BETA, reduction="sum")
        count += len(logits)
    return {"objectness": objectness / max(count, 1), "proposal_box": shifts / max(count, 1)}
