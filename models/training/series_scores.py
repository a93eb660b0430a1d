"""Scores of a network on whole held-out series: what it says at each date, where that is clear and its truth known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from models.card import MASK_NODATA, LandClass
from models.recurrent_unet import RecurrentUNet
from models.settling import settle
from models.static import StaticStep
from models.training.change_scores import ChangeScores
from models.training.chips import Chip
from models.training.evaluate import stepped
from models.training.metrics import Confusion
from models.training.watching import Example

if TYPE_CHECKING:  # series are scored by themselves
    from models.training.datasets.series import Series

WINDOW_PX = 256
"""Larger series are scored in windows of this size, side by side: good enough to choose weights by."""

EXAMPLES = 4


@torch.no_grad()
def score_held_out_series(
    net: nn.Module, series: Sequence[Series], classes: Sequence[LandClass], followed: int
) -> tuple[dict[str, float], list[Example]]:
    """Walk a network over series, date by date: clear pixels whose truth is known count, at all dates alike.

    Args:
        net: runs date by date (`models.networks.Stepping`); left in eval mode.
        series: any sizes and lengths.
        classes: the legend.
        followed: class whose IoU is told by itself.

    Returns:
        `iou` of the followed class; the scores of `Confusion.scores`, and `iou NAME` per class; `last_mean_iou`, of
        the last dates alone, when the network has seen all there is; `change_iou` (BC) and `scs`, NaN where the truth
        never changes; and the first window of a few series, at its last date.

    Raises:
        TypeError: the network does not run date by date.
    """
    if not isinstance(net, RecurrentUNet | StaticStep):
        raise TypeError(f"expected a network that runs date by date; got {type(net).__name__}")
    counted, last, change = Confusion(len(classes)), Confusion(len(classes)), ChangeScores(len(classes))
    examples = list[Example]()
    for one in series:
        for number, chip in enumerate(_windows(one, net.stride_px)):
            masks = np.stack([*settle(stepped(net, chip), lasting=net.lasting)])
            valid = chip.clear & (chip.target != MASK_NODATA)
            counted.add(chip.target, masks, valid)
            last.add(chip.target[-1], masks[-1], valid[-1])
            change.add(chip.target, masks, valid)
            if number == 0 and len(examples) < EXAMPLES:
                shown = np.where(chip.clear[-1], masks[-1], MASK_NODATA)
                examples.append(Example(one.name, chip.reflectance[-1], chip.target[-1], shown))
    told = {"iou": counted.iou(followed), **counted.scores(), "last_mean_iou": last.mean_iou()}
    told |= {"change_iou": change.bc(), "scs": change.scs()}
    return told | {f"iou {c.name}": counted.iou(c.id) for c in classes}, examples


def _windows(series: Series, stride_px: int) -> Iterator[Chip]:
    """Cut a series into windows whose sides are multiples of the stride; the last ones reach over its edges."""
    every = series.at(range(len(series.days)))
    height, width = (max(min(WINDOW_PX, size + -size % stride_px) // stride_px, 1) * stride_px for size in series.shape)
    for row in range(0, series.shape[0], height):
        for col in range(0, series.shape[1], width):
            yield every.window(row, col, height, width)
