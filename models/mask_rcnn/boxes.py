"""Boxes: their overlap, and the four numbers by which a network moves one onto another.

A box is (top, left, bottom, right) in continuous pixels: pixel (i, j) spans rows i to i + 1 and columns j to j + 1.

Source: Girshick et al. 2014, "Rich feature hierarchies", appendix C (the parametrisation); Ren et al. 2015, "Faster
R-CNN".
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LOG_LIMIT = math.log(1000 / 16)
"""Largest logarithm of a change in size: an untrained network must not overflow exp()."""

Weights = tuple[float, float]
"""Of shifts and of sizes: deltas are multiplied by them, so that their spread is about one."""


def areas(boxes_N4: Tensor) -> Tensor:
    """Return the area of each box in square pixels, (N,)."""
    return (boxes_N4[..., 2] - boxes_N4[..., 0]) * (boxes_N4[..., 3] - boxes_N4[..., 1])


def pairwise_iou(one_N4: Tensor, other_M4: Tensor) -> Tensor:
    """Return intersection over union of every pair, (N, M); 0 where both boxes are empty."""
    low = torch.maximum(one_N4[:, None, :2], other_M4[None, :, :2])
    high = torch.minimum(one_N4[:, None, 2:], other_M4[None, :, 2:])
    common_NM = (high - low).clamp(min=0).prod(dim=2)
    union_NM = areas(one_N4)[:, None] + areas(other_M4)[None] - common_NM
    return torch.where(union_NM > 0, common_NM / union_NM.clamp(min=1e-9), 0.0)


def encode(boxes_N4: Tensor, anchors_N4: Tensor, weights: Weights = (1.0, 1.0)) -> Tensor:
    """Return what moves anchors onto boxes: shift of the centre by the anchor's size, logarithm of the sizes' ratio.

    Args:
        boxes_N4: with an area above zero.
        anchors_N4: likewise.
        weights: of shifts and sizes.

    Returns:
        Deltas (N, 4): down, right, taller, wider.
    """
    size, anchor_size = _size(boxes_N4), _size(anchors_N4)
    shift = (_centre(boxes_N4) - _centre(anchors_N4)) / anchor_size
    return torch.cat([shift * weights[0], (size / anchor_size).log() * weights[1]], dim=-1)


def decode(deltas: Tensor, anchors: Tensor, weights: Weights = (1.0, 1.0)) -> Tensor:
    """Move anchors by deltas, the inverse of `encode`; (..., 4), which may broadcast."""
    anchor_size = _size(anchors)
    centre = _centre(anchors) + deltas[..., :2] / weights[0] * anchor_size
    half = (deltas[..., 2:] / weights[1]).clamp(max=LOG_LIMIT).exp() * anchor_size / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def clip(boxes: Tensor, height: int, width: int) -> Tensor:
    """Cut boxes (..., 4) at the image's edges."""
    limit = torch.tensor([height, width, height, width], dtype=boxes.dtype, device=boxes.device)
    return torch.minimum(boxes.clamp(min=0), limit)


def _size(boxes: Tensor) -> Tensor:
    return boxes[..., 2:] - boxes[..., :2]


def _centre(boxes: Tensor) -> Tensor:
    return (boxes[..., :2] + boxes[..., 2:]) / 2
