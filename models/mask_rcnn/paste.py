"""Small masks of boxes brought to the image's pixels.

Source: He et al. 2017, "Mask R-CNN", section 3.1 (inference); pixel centres at one half, as in Detectron2.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def paste_mask(mask_MM: Tensor, box_4: Tensor, height: int, width: int) -> tuple[int, int, Tensor]:
    """Read a box's mask at the centres of the pixels that it touches.

    Args:
        mask_MM: probabilities, in cells of equal size over the box.
        box_4: inside the image.
        height: of the image.
        width: of the image.

    Returns:
        Row and column of the first pixel, and the probabilities (H', W') from there on: what lies beyond the
        image or the box is cut off, and towards the box's edge they fall to half.
    """
    top, left, bottom, right = (float(edge) for edge in box_4)
    row, col = max(math.floor(top), 0), max(math.floor(left), 0)
    end_row, end_col = min(math.ceil(bottom), height), min(math.ceil(right), width)
    rows = _places(row, end_row, top, bottom, mask_MM)
    cols = _places(col, end_col, left, right, mask_MM)
    grid_HW2 = torch.stack([cols.expand(len(rows), -1), rows[:, None].expand(-1, len(cols))], dim=-1)
    read = functional.grid_sample(mask_MM[None, None], grid_HW2[None], mode="bilinear", align_corners=False)
    return row, col, read[0, 0]


def _places(start: int, stop: int, low: float, high: float, like: Tensor) -> Tensor:
    """Return where pixel centres lie between two edges, which are at -1 and 1."""
    centres = torch.arange(start, max(stop, start), dtype=like.dtype, device=like.device) + 0.5
    return (centres - low) / max(high - low, 1e-6) * 2 - 1
