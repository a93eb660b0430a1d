"""Anchors: boxes of fixed sizes and shapes around every pixel of a feature map, which proposals start from.

Source: Ren et al. 2015, "Faster R-CNN"; Lin et al. 2017, "Feature Pyramid Networks" (one size per level).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def shapes_of(size_px: float, ratios: Sequence[float]) -> Tensor:
    """Return (height, width) of anchors of one area, (A, 2); a ratio is height over width."""
    ratio_A = torch.tensor(list(ratios), dtype=torch.float32)
    return torch.stack([size_px * ratio_A.sqrt(), size_px / ratio_A.sqrt()], dim=1)


def anchors_of(
    shape: tuple[int, int], stride_px: int, size_px: float, ratios: Sequence[float], device: torch.device
) -> Tensor:
    """Place the anchors of one level, centred on the feature pixels.

    Args:
        shape: (height, width) of the feature map.
        stride_px: image pixels per feature pixel.
        size_px: square root of the anchors' area.
        ratios: height over width of each anchor of a place.
        device: on which they are made.

    Returns:
        (height x width x ratios, 4), row by row, the ratios of one place together.
    """
    half_A2 = shapes_of(size_px, ratios).to(device) / 2
    rows, cols = ((torch.arange(size, device=device) + 0.5) * stride_px for size in shape)
    centre_HW2 = torch.stack(torch.meshgrid(rows, cols, indexing="ij"), dim=-1)
    centre_HWA2 = centre_HW2[:, :, None]
    return torch.cat([centre_HWA2 - half_A2, centre_HWA2 + half_A2], dim=-1).reshape(-1, 4)
