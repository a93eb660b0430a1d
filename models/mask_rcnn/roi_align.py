"""RoIAlign: a feature map read inside a box, at points between pixels, into cells of a fixed number.

Source: He et al. 2017, "Mask R-CNN", section 3; pixel centres at one half ("aligned"), as in Detectron2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

RATIO = 2
"""Sampling points along each side of a cell: four per cell, as in the paper."""


def roi_align(features_BCHW: Tensor, boxes: Sequence[Tensor], stride_px: float, size: int) -> Tensor:
    """Read boxes out of feature maps.

    A box is cut into size x size cells; each is the mean of 2 x 2 points, read by bilinear interpolation between the
    centres of feature pixels. No coordinate is rounded. A point more than one pixel outside of the map reads 0.

    Args:
        features_BCHW: one map per image.
        boxes: per image (N_b, 4), in pixels of the image.
        stride_px: image pixels per feature pixel.
        size: cells along each side.

    Returns:
        (sum of N_b, C, size, size), image by image.
    """
    pooled = [
        _read(features_BCHW[image], boxes_N4.to(features_BCHW.dtype) / stride_px, size)
        for image, boxes_N4 in enumerate(boxes)
    ]
    return torch.cat(pooled)


def _read(features_CHW: Tensor, boxes_N4: Tensor, size: int) -> Tensor:
    """Read boxes, in feature pixels, out of one map."""
    (channels, height, width), count = features_CHW.shape, len(boxes_N4)
    points = size * RATIO
    if count == 0:
        return features_CHW.new_zeros((0, channels, size, size))
    rows_NP = _points(boxes_N4[:, 0], boxes_N4[:, 2], points)
    cols_NP = _points(boxes_N4[:, 1], boxes_N4[:, 3], points)
    # grid_sample takes x before y, and -1..1 from edge to edge; its "border" clamps to the outer pixels' centres.
    x_NPP = (2 * cols_NP / width - 1)[:, None, :].expand(-1, points, -1)
    y_NPP = (2 * rows_NP / height - 1)[:, :, None].expand(-1, -1, points)
    read = functional.grid_sample(
        features_CHW[None],
        torch.stack([x_NPP, y_NPP], dim=-1).reshape(1, count * points, points, 2),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    read_NCPP = read.reshape(channels, count, points, points).transpose(0, 1)
    inside = _inside(rows_NP, height)[:, :, None] & _inside(cols_NP, width)[:, None, :]
    return functional.avg_pool2d(read_NCPP * inside[:, None], RATIO)


def _points(low_N: Tensor, high_N: Tensor, points: int) -> Tensor:
    """Place points evenly between two edges, in the middle of as many equal parts, (N, points)."""
    share = (torch.arange(points, dtype=low_N.dtype, device=low_N.device) + 0.5) / points
    return low_N[:, None] + (high_N - low_N)[:, None] * share


def _inside(position: Tensor, size: int) -> Tensor:
    """Tell which points are read: the reference reads up to one pixel beyond the centres of the outer pixels."""
    return (position - 0.5 >= -1) & (position - 0.5 <= size)
