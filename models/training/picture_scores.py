"""Scores of a static network on whole held-out pictures, while it is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from models.card import MASK_NODATA, LandClass
from models.mask_rcnn.network import MaskRCNN
from models.static import StaticNet
from models.training.chips import Chip
from models.training.datasets.source import Picture
from models.training.instances import class_map
from models.training.metrics import Confusion
from models.training.watching import Example

WINDOW_PX = 512
"""Larger pictures are scored in windows of this size, side by side: good enough to choose weights by. What a job gives,
`chronoseg evaluate` scores."""

EXAMPLES = 4


@torch.no_grad()
def score_pictures(
    net: StaticNet | MaskRCNN, pictures: Sequence[Picture], classes: Sequence[LandClass]
) -> tuple[dict[str, float], list[Example]]:
    """Score a network on pictures: clear pixels whose truth is known count.

    Args:
        net: a network of one date; left in eval mode.
        pictures: any sizes.
        classes: the legend.

    Returns:
        The scores of `Confusion.scores`, and `iou NAME` per class; and the first window of a few pictures.
    """
    net.eval()
    device = next(net.parameters()).device
    counted, examples = Confusion(len(classes)), list[Example]()
    for picture in pictures:
        for number, chip in enumerate(_windows(picture, net.stride_px)):
            mask = _mask_of(net, chip, device)
            valid = chip.clear[0] & (chip.target[0] != MASK_NODATA)
            counted.add(chip.target[0], mask, valid)
            if number == 0 and len(examples) < EXAMPLES:
                shown = np.where(chip.clear[0], mask, MASK_NODATA)
                examples.append(Example(picture.name, chip.reflectance[0], chip.target[0], shown))
    return counted.scores() | {f"iou {c.name}": counted.iou(c.id) for c in classes}, examples


def _windows(picture: Picture, stride_px: int) -> Iterator[Chip]:
    """Cut a picture into windows whose sides are multiples of the stride; the last ones reach over its edges."""
    height, width = (min(WINDOW_PX, -(-size // stride_px) * stride_px) for size in picture.shape)
    height, width = (max(size // stride_px, 1) * stride_px for size in (height, width))
    for row in range(0, picture.shape[0], height):
        for col in range(0, picture.shape[1], width):
            yield picture.window(row, col, height, width)


def _mask_of(net: StaticNet | MaskRCNN, chip: Chip, device: torch.device) -> NDArray[np.int64]:
    x, clear = torch.from_numpy(chip.reflectance).to(device), torch.from_numpy(chip.clear).to(device)
    x = torch.where(clear.unsqueeze(1), x, net.mean_C11)
    ids = class_map(net, x) if isinstance(net, MaskRCNN) else net(x).argmax(1)
    mask: NDArray[np.int64] = ids[0].cpu().numpy()
    return mask
