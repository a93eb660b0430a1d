"""Teaching Mask R-CNN on class masks: the connected patches of every class but 0 are the instances it is asked for."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.card import MASK_NODATA
from models.mask_rcnn.network import MaskRCNN
from models.mask_rcnn.paste import paste_mask
from models.mask_rcnn.targets import targets_from_mask
from models.training.lesson import Answer

SMALLEST_PX = 32
"""Smaller patches, two pixels of the pyramid's finest level, are neither asked for nor counted as missed: most are
shreds of larger ones that clouds cut apart."""


class InstanceObjective(nn.Module):
    """Mask R-CNN and its own five losses. Shares of a batch are not gathered: several processes take means of means."""

    def __init__(self, net: MaskRCNN, classes: int) -> None:
        super().__init__()
        self.net, self._asked = net, range(1, classes)

    def forward(self, x_BCHW: Tensor, clear_BHW: Tensor, target_BHW: Tensor) -> Answer:
        """Return the losses; there is nothing to show to a discriminator."""
        valid = clear_BHW & (target_BHW != MASK_NODATA)
        targets = [
            targets_from_mask(mask, self._asked, SMALLEST_PX, known).to(x_BCHW.device)
            for mask, known in zip(target_BHW.cpu().numpy(), valid.cpu().numpy(), strict=True)
        ]
        return self.net.losses(x_BCHW, targets), None


@torch.no_grad()
def class_map(net: MaskRCNN, x_BCHW: Tensor) -> Tensor:
    """Paint the instances that one would get as a product on the background, best last: class ids (B, H, W)."""
    found, (height, width) = net.detect(x_BCHW), x_BCHW.shape[2:]
    ids = torch.zeros((len(x_BCHW), height, width), dtype=torch.int64, device=x_BCHW.device)
    for image, some in zip(ids, found, strict=True):
        for number in reversed(range(len(some.labels))):
            if some.scores[number] >= net.instance_score:
                row, col, mask = paste_mask(some.masks[number], some.boxes[number], height, width)
                part = image[row : row + mask.shape[0], col : col + mask.shape[1]]
                part[mask >= 0.5] = some.labels[number]
    return ids
