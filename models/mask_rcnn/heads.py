"""What a proposal is, where exactly it lies, and which of its pixels it holds.

Source: He et al. 2017, "Mask R-CNN", figure 4 (right); Lin et al. 2017, equation 1 (the level that a box is read from).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.mask_rcnn.boxes import areas
from models.mask_rcnn.roi_align import roi_align

BOX_CELLS, MASK_CELLS = 7, 14
MASK_SIZE = 2 * MASK_CELLS
MASK_CONVOLUTIONS = 4


class BoxHead(nn.Module):
    """Two fully connected layers, then a class and, for every class but the background, a box.

    Args:
        channels: of the pyramid.
        hidden: units of both layers.
        classes: K with the background, which is class 0.
    """

    def __init__(self, channels: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.first = nn.Linear(channels * BOX_CELLS**2, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.score = nn.Linear(hidden, classes)
        self.deltas = nn.Linear(hidden, 4 * (classes - 1))
        nn.init.normal_(self.score.weight, std=0.01)
        nn.init.normal_(self.deltas.weight, std=0.001)
        for layer in (self.score, self.deltas):
            nn.init.zeros_(layer.bias)

    def forward(self, features_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (N, K) and deltas (N, K - 1, 4) for features of 7 x 7 cells."""
        hidden = functional.relu(self.first(features_NCHW.flatten(1)))
        hidden = functional.relu(self.second(hidden))
        return self.score(hidden).float(), self.deltas(hidden).reshape(-1, self.classes - 1, 4).float()


class MaskHead(nn.Module):
    """Four 3x3 convolutions, a transposed one that doubles the size, and a mask for every class but the background.

    Args:
        channels: of the pyramid.
        width: of the convolutions.
        classes: K with the background.
    """

    def __init__(self, channels: int, width: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number in range(MASK_CONVOLUTIONS):
            layers += [nn.Conv2d(channels if number == 0 else width, width, 3, padding=1), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.ConvTranspose2d(width, width, 2, stride=2), nn.ReLU())
        self.masks = nn.Conv2d(width, classes - 1, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.normal_(self.masks.weight, std=0.001)  # every mask begins at one half

    def forward(self, features_NCHW: Tensor) -> Tensor:
        """Return logits (N, K - 1, 28, 28) for features of 14 x 14 cells."""
        logits: Tensor = self.masks(self.body(features_NCHW))
        return logits.float()


def level_of(boxes_N4: Tensor, levels: int, finest_px: float) -> Tensor:
    """Return the level of the pyramid that each box is read from, (N,): one coarser for every doubling of its size.

    Args:
        boxes_N4: proposals.
        levels: of the pyramid that are read.
        finest_px: boxes of less than twice this size are read from the finest level; 56 in the paper.
    """
    size = areas(boxes_N4).clamp(min=1e-6).sqrt()
    return (torch.log2(size / finest_px) + 1e-6).floor().long().clamp(0, levels - 1)


def read_boxes(
    pyramid: Sequence[Tensor], strides: Sequence[int], boxes: Sequence[Tensor], cells: int, finest_px: float
) -> Tensor:
    """Read boxes out of the levels that fit their size, (sum of N_b, C, cells, cells), image by image."""
    levels = [level_of(boxes_N4, len(strides), finest_px) for boxes_N4 in boxes]
    level_N = torch.cat(levels)
    read, places = [], []
    for level, stride in enumerate(strides):
        here = [boxes_N4[level_n == level] for boxes_N4, level_n in zip(boxes, levels, strict=True)]
        read.append(roi_align(pyramid[level], here, stride, cells))
        places.append(torch.nonzero(level_N == level)[:, 0])
    return torch.cat(read)[torch.argsort(torch.cat(places))]


def finest_size(anchor_px: Sequence[float]) -> float:
    """Return the size of box that is read from the finest level: as in the paper, where its anchors are 32 px."""
    return 224 / math.pow(2, 4 - 2) * anchor_px[0] / 32
