"""Mask R-CNN: one encoder, a feature pyramid, region proposals, and for each proposal a class, a box and a mask.

Source: He et al. 2017, "Mask R-CNN", with the feature pyramid of Lin et al. 2017 (figure 4, right).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.encoders.build import build_encoder
from models.encoders.encoder import scaled
from models.mask_rcnn.boxes import clip, decode
from models.mask_rcnn.fpn import FeaturePyramid
from models.mask_rcnn.head_losses import BOX_WEIGHTS, box_losses, mask_loss, sample_proposals
from models.mask_rcnn.heads import BOX_CELLS, MASK_CELLS, BoxHead, MaskHead, finest_size, read_boxes
from models.mask_rcnn.nms import nms
from models.mask_rcnn.rpn import SMALLEST_PX, RegionProposals, propose, region_losses
from models.mask_rcnn.targets import Targets

FINEST_STRIDE = 4
"""Levels of the encoder from this stride on become levels of the pyramid."""

RATIOS = (0.5, 1.0, 2.0)
SCORE_MIN = 0.05
NMS_IOU = 0.5
INPUT_LIMIT = 6.0
"""Normalised reflectance is clamped to this: a missed cloud must not drive the network out of what it knows."""


@dataclass(frozen=True)
class Detections:
    """The instances that were found in one image, best first.

    Attributes:
        boxes: (N, 4), inside the image.
        labels: class ids from 1, (N,) int64.
        scores: (N,), probability of the class.
        masks: (N, 28, 28), probability that a cell of the box belongs to the instance; `paste_mask` brings them to
            the image's pixels.
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor
    masks: Tensor

    def to(self, device: torch.device | str) -> Detections:
        """Return the same on another device."""
        return Detections(*(value.to(device) for value in (self.boxes, self.labels, self.scores, self.masks)))


class MaskRCNN(nn.Module):
    """Finds instances in an image of one date.

    Args:
        mean, std: per band, in reflectance; the input is normalised with them in the network.
        classes: K; class 0 is the background.
        encoder: by name; its levels from stride 4 on are used.
        width: multiplies the channels of encoder, pyramid and heads.
        anchor_px: size of the anchors per level of the pyramid, finest first; one more than levels of the encoder.
        proposals: boxes that the heads look at, per image, in inference.
        samples: proposals that a step of training looks at, per image.
        most: instances per image.
        instance_score: least score of an instance that becomes part of a product.
    """

    def __init__(
        self, *, mean: Sequence[float], std: Sequence[float], classes: int = 2, encoder: str = "resnet18",
        width: float = 1.0, anchor_px: Sequence[float] = (16, 32, 64, 128, 256), proposals: int = 300,
        samples: int = 128, most: int = 100, instance_score: float = 0.5,
    ) -> None:  # fmt: skip
        super().__init__()
        self.architecture: dict[str, Any] = {
            "classes": classes, "encoder": encoder, "width": width, "anchor_px": [*anchor_px], "proposals": proposals,
            "samples": samples, "most": most, "instance_score": instance_score,
        }  # fmt: skip
        self.mean_C11: Tensor
        self.std_C11: Tensor
        self.register_buffer("mean_C11", torch.tensor(mean).reshape(-1, 1, 1))
        self.register_buffer("std_C11", torch.tensor(std).reshape(-1, 1, 1))
        self.bands, self.proposals, self.samples, self.most = len(mean), proposals, samples, most
        self.instance_score = instance_score
        self.encoder = build_encoder(encoder, self.bands, width=width)
        self.levels = [level for level, stride in enumerate(self.encoder.strides) if stride >= FINEST_STRIDE]
        self.strides = [self.encoder.strides[level] for level in self.levels]
        self.stride_px = self.strides[-1]
        if len(anchor_px) != len(self.levels) + 1:
            raise ValueError(f"{encoder} gives {len(self.levels) + 1} levels; got anchor_px for {len(anchor_px)}")
        if classes < 2:
            raise ValueError(f"expected the background and at least one class to find; got classes={classes}")
        channels = scaled(256, width)
        self.pyramid = FeaturePyramid([self.encoder.channels[level] for level in self.levels], channels)
        self.regions = RegionProposals(channels, [*self.strides, 2 * self.stride_px], anchor_px, RATIOS)
        self.finest_px = finest_size(anchor_px)
        self.box_head = BoxHead(channels, scaled(1024, width), classes)
        self.mask_head = MaskHead(channels, channels, classes)

    def losses(
        self, x_BCHW: Tensor, targets: Sequence[Targets], generator: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """Return the five losses, whose sum is trained.

        Args:
            x_BCHW: reflectance; height and width are multiples of `stride_px`. Anything, NaN too, where a target is
                not valid.
            targets: one per image.
            generator: draws anchors and proposals, on the CPU; None = torch's own.

        Returns:
            `objectness`, `proposal_box`, `class`, `box`, `mask`: scalars.
        """
        valid_B1HW = torch.stack([truth.valid for truth in targets])[:, None]
        pyramid = self._features(torch.where(valid_B1HW, x_BCHW, self.mean_C11))
        regions = self.regions(pyramid)
        losses = region_losses(regions, targets, generator)
        proposals = propose(regions, _shape(x_BCHW), per_level=self.proposals, most=self.proposals)
        samples = [
            sample_proposals(boxes, truth, self.samples, generator)
            for boxes, truth in zip(proposals, targets, strict=True)
        ]
        logits, deltas = self.box_head(self._read(pyramid, [drawn.boxes for drawn in samples], BOX_CELLS))
        losses |= box_losses(logits, deltas, samples, targets)
        masks = self.mask_head(self._read(pyramid, [drawn.positive for drawn in samples], MASK_CELLS))
        return losses | {"mask": mask_loss(masks, samples, targets)}

    @torch.no_grad()
    def detect(self, x_BCHW: Tensor) -> list[Detections]:
        """Find the instances of each image.

        Args:
            x_BCHW: reflectance, finite; height and width are multiples of `stride_px`.
        """
        pyramid = self._features(x_BCHW)
        proposals = propose(self.regions(pyramid), _shape(x_BCHW), per_level=self.proposals, most=self.proposals)
        logits, deltas = self.box_head(self._read(pyramid, proposals, BOX_CELLS))
        counts = [len(boxes) for boxes in proposals]
        found = []
        for image, some in enumerate(zip(proposals, logits.split(counts), deltas.split(counts), strict=True)):
            boxes, labels, scores = self._choose(*some, _shape(x_BCHW))
            level = [features[image : image + 1] for features in pyramid]
            masks = self.mask_head(self._read(level, [boxes], MASK_CELLS)).sigmoid()
            found.append(Detections(boxes, labels, scores, masks[torch.arange(len(labels)), labels - 1]))
        return found

    def _features(self, x_BCHW: Tensor) -> list[Tensor]:
        """Normalise and encode; the pyramid is float32, so that boxes are read between pixels exactly."""
        x = ((x_BCHW - self.mean_C11) / self.std_C11).clamp(-INPUT_LIMIT, INPUT_LIMIT)
        features = self.encoder(x)
        return [level.float() for level in self.pyramid([features[level] for level in self.levels])]

    def _read(self, pyramid: Sequence[Tensor], boxes: Sequence[Tensor], cells: int) -> Tensor:
        return read_boxes(pyramid, self.strides, boxes, cells, self.finest_px)

    def _choose(
        self, proposals: Tensor, logits_NK: Tensor, deltas_NC4: Tensor, shape: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return boxes, labels and scores: of each class without overlaps, the best of all."""
        probs = logits_NK.softmax(dim=1)
        moved = clip(decode(deltas_NC4, proposals[:, None], BOX_WEIGHTS), *shape)
        boxes, labels, scores = [], [], []
        for label in range(1, probs.shape[1]):
            solid = ((moved[:, label - 1, 2:] - moved[:, label - 1, :2]) >= SMALLEST_PX).all(dim=1)
            fits = (probs[:, label] >= SCORE_MIN) & solid
            some, some_scores = moved[fits, label - 1], probs[fits, label]
            stays = nms(some, some_scores, NMS_IOU)
            boxes.append(some[stays])
            scores.append(some_scores[stays])
            labels.append(torch.full_like(stays, label))
        order = torch.sort(torch.cat(scores), descending=True, stable=True).indices[: self.most]
        return torch.cat(boxes)[order], torch.cat(labels)[order], torch.cat(scores)[order]


def _shape(x_BCHW: Tensor) -> tuple[int, int]:
    return x_BCHW.shape[2], x_BCHW.shape[3]
