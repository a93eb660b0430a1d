"""Non-maximum suppression: of boxes that overlap too much, the one with the highest score stays.

Source: Girshick et al. 2014, "Rich feature hierarchies" (greedy, per class); Ren et al. 2015 (on proposals).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models.mask_rcnn.boxes import pairwise_iou


def nms(boxes_N4: Tensor, scores_N: Tensor, threshold: float) -> Tensor:
    """Choose boxes greedily: the best one left stays, and all that overlap it by more than the threshold go.

    Args:
        boxes_N4: of one class.
        scores_N: of two that are equal, the first is the better.
        threshold: largest intersection over union of two boxes that both stay.

    Returns:
        Indices of the boxes that stay, best first, int64.
    """
    order = torch.sort(scores_N, descending=True, stable=True).indices
    ranked = boxes_N4[order]
    over = (pairwise_iou(ranked, ranked) > threshold).cpu().numpy()
    stays = np.ones(len(over), np.bool_)
    for rank in range(len(over)):
        if stays[rank]:
            stays[rank + 1 :] &= ~over[rank, rank + 1 :]
    return order[torch.from_numpy(stays).to(order.device)]
