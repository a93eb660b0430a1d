"""What a detector is trained to find: the instances of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor


@dataclass(frozen=True)
class Targets:
    """The true instances of one image of H x W pixels.

    Attributes:
        boxes: (M, 4), around the masks' pixels.
        labels: class ids from 1, (M,) int64.
        masks: (M, H, W) bool.
        valid: (H, W) bool; what lies elsewhere is unknown, and neither found nor missed.
    """

    boxes: Tensor
    labels: Tensor
    masks: Tensor
    valid: Tensor

    def __post_init__(self) -> None:
        count = len(self.boxes)
        if self.boxes.shape != (count, 4) or self.labels.shape != (count,) or self.masks.ndim != 3:
            raise ValueError("expected boxes (M, 4), labels (M,) and masks (M, H, W)")
        if self.masks.shape != (count, *self.valid.shape):
            raise ValueError(f"masks {tuple(self.masks.shape)} do not fit valid {tuple(self.valid.shape)}")

    def to(self, device: torch.device | str) -> Targets:
        """Return the same on another device."""
        return Targets(*(value.to(device) for value in (self.boxes, self.labels, self.masks, self.valid)))


def targets_from_mask(
    mask_HW: NDArray[np.integer],
    class_id: int | Sequence[int],
    min_px: int = 1,
    valid_HW: NDArray[np.bool_] | None = None,
) -> Targets:
    """Take the 4-connected components of a class mask as instances.

    Args:
        mask_HW: class ids.
        class_id: the class whose components are instances, or several; above 0, which is the background.
        min_px: components of fewer pixels are too small to be asked for: they become invalid.
        valid_HW: where the mask is known; None = everywhere. An instance ends where it is not.

    Raises:
        ValueError: a class id is 0 or less.
    """
    class_ids = [class_id] if isinstance(class_id, int) else list(class_id)
    if min(class_ids) < 1:
        raise ValueError(f"class 0 is the background; instances are of classes from 1, got {class_ids}")
    valid = np.ones(mask_HW.shape, np.bool_) if valid_HW is None else valid_HW.copy()
    labels, masks, boxes = list[int](), list[NDArray[np.bool_]](), list[tuple[float, ...]]()
    for label in class_ids:
        parts, _ = ndimage.label((mask_HW == label) & valid)
        for number, place in enumerate(ndimage.find_objects(parts), start=1):
            part = parts == number
            if np.count_nonzero(part[place]) < min_px:
                valid[part] = False
                continue
            rows, cols = place
            labels.append(label)
            masks.append(part)
            boxes.append((rows.start, cols.start, rows.stop, cols.stop))
    return Targets(
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(labels, dtype=torch.int64),
        torch.from_numpy(np.array(masks, np.bool_).reshape(-1, *mask_HW.shape)),
        torch.from_numpy(valid),
    )


def valid_share(boxes_N4: Tensor, valid_HW: Tensor) -> Tensor:
    """Return the share of each box's pixels that are valid, 0..1; 0 where a box lies outside of the image."""
    height, width = valid_HW.shape
    sums = torch.zeros((height + 1, width + 1), dtype=torch.float64, device=valid_HW.device)
    sums[1:, 1:] = valid_HW.double().cumsum(0).cumsum(1)
    top, bottom = (boxes_N4[:, at].round().long().clamp(0, height) for at in (0, 2))
    left, right = (boxes_N4[:, at].round().long().clamp(0, width) for at in (1, 3))
    within = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return (within / ((bottom - top) * (right - left)).clamp(min=1)).float()
