"""Boxes, suppression, RoIAlign, anchors and matching against numbers worked by hand, and against torchvision."""

from __future__ import annotations

import importlib
import math
import warnings
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

from models.mask_rcnn.anchors import anchors_of
from models.mask_rcnn.boxes import clip, decode, encode, pairwise_iou
from models.mask_rcnn.heads import finest_size, level_of, read_boxes
from models.mask_rcnn.matching import NOTHING, UNDECIDED, match, sample
from models.mask_rcnn.nms import nms
from models.mask_rcnn.paste import paste_mask
from models.mask_rcnn.roi_align import roi_align
from models.mask_rcnn.targets import targets_from_mask, valid_share


def boxes_of(*rows: tuple[float, float, float, float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32)


def random_boxes(count: int, side: float, generator: torch.Generator) -> Tensor:
    corners = torch.rand((count, 2, 2), generator=generator) * side
    return torch.cat([corners.amin(1), corners.amax(1) + 0.5], dim=1)


@pytest.fixture(scope="module")
def torchvision_ops() -> ModuleType:
    """Skips where torchvision is absent, or was built for another torch: it then fails while it is imported."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of what it lacks for pictures
            return importlib.import_module("torchvision.ops")
    except (ImportError, RuntimeError, OSError) as err:
        pytest.skip(f"torchvision does not load here: {err}")


def test_iou_by_hand() -> None:
    one = boxes_of((0, 0, 10, 10))
    other = boxes_of((0, 0, 10, 10), (5, 5, 15, 15), (0, 0, 5, 10), (10, 0, 20, 10), (3, 3, 3, 3))
    torch.testing.assert_close(pairwise_iou(one, other), torch.tensor([[1.0, 25 / 175, 0.5, 0.0, 0.0]]))
    assert pairwise_iou(other[4:], other[4:]).item() == 0.0


def test_deltas_by_hand() -> None:
    anchor, box = boxes_of((0, 0, 10, 20)), boxes_of((5, 0, 15, 40))
    expected = torch.tensor([[0.5, 0.5, 0.0, math.log(2)]])
    torch.testing.assert_close(encode(box, anchor), expected)
    torch.testing.assert_close(encode(box, anchor, (10.0, 5.0)), expected * torch.tensor([10.0, 10.0, 5.0, 5.0]))
    torch.testing.assert_close(decode(expected, anchor), box)


def test_decoding_undoes_encoding_and_never_overflows() -> None:
    generator = torch.Generator().manual_seed(0)
    boxes, anchors = random_boxes(50, 90, generator), random_boxes(50, 90, generator)
    deltas = encode(boxes, anchors, (10.0, 5.0))
    torch.testing.assert_close(decode(deltas, anchors, (10.0, 5.0)), boxes, atol=1e-3, rtol=0)
    assert decode(torch.full((1, 4), 1e4), anchors[:1]).isfinite().all()


def test_clipping() -> None:
    cut = clip(boxes_of((-3, -4, 70, 20), (10, 90, 20, 99)), 64, 32)
    torch.testing.assert_close(cut, boxes_of((0, 0, 64, 20), (10, 32, 20, 32)))


def test_suppression_by_hand() -> None:
    boxes = boxes_of((0, 0, 10, 4), (0, 0, 10, 8), (0, 0, 10, 10), (50, 50, 60, 60))
    scores = torch.tensor([0.7, 0.8, 0.9, 0.1])
    # The second overlaps the third by 0.8 and goes; it would have overlapped the first by 0.5, but is no longer there.
    assert nms(boxes, scores, 0.45).tolist() == [2, 0, 3]
    assert nms(boxes, scores, 0.85).tolist() == [2, 1, 0, 3]
    assert nms(boxes, scores, 0.35).tolist() == [2, 3]
    assert nms(boxes[:0], scores[:0], 0.5).tolist() == []


def test_of_equal_boxes_the_first_stays() -> None:
    assert nms(boxes_of((0, 0, 2, 2), (0, 0, 2, 2)), torch.tensor([0.5, 0.5]), 0.5).tolist() == [0]


def test_suppression_as_torchvision(torchvision_ops: ModuleType) -> None:
    generator = torch.Generator().manual_seed(1)
    boxes = random_boxes(300, 60, generator)
    scores = torch.rand(300, generator=generator)
    for threshold in (0.3, 0.5, 0.7):
        theirs = torchvision_ops.nms(boxes[:, [1, 0, 3, 2]], scores, threshold)
        assert nms(boxes, scores, threshold).tolist() == theirs.tolist()


def test_roi_align_by_hand() -> None:
    features = torch.tensor([[[[0.0, 0.0], [0.0, 16.0]]]])
    whole, middle = boxes_of((0, 0, 2, 2)), boxes_of((0.5, 0.5, 1.5, 1.5))
    # The whole map: the four points are the four pixels' centres.
    assert roi_align(features, [whole], 1, 1).tolist() == [[[[4.0]]]]
    # The square between the centres, where the value is 16 r c for r, c in 0..1: points at 1/4 and 3/4; for 2 x 2 cells
    # at 1/8, 3/8, 5/8 and 7/8, whose means are 1/4 and 3/4.
    assert roi_align(features, [middle], 1, 1).tolist() == [[[[4.0]]]]
    assert roi_align(features, [middle], 1, 2).tolist() == [[[[1.0, 3.0], [3.0, 9.0]]]]
    assert roi_align(features, [middle * 8], 8, 2).tolist() == [[[[1.0, 3.0], [3.0, 9.0]]]]


def test_roi_align_beyond_the_map() -> None:
    ones = torch.ones((1, 1, 2, 2))
    # Rows at -1 and 1, in centres -1.5 and 0.5: the first lies more than a pixel outside and reads 0.
    assert roi_align(ones, [boxes_of((-2, 0, 2, 2))], 1, 1).item() == 0.5
    # Rows at -0.25 and 0.75, in centres -0.75 and 0.25: outside by less than a pixel reads the outer pixel.
    assert roi_align(ones, [boxes_of((-0.75, 0, 1.25, 2))], 1, 1).item() == 1.0


def test_roi_align_is_the_formula_of_the_paper() -> None:
    generator = torch.Generator().manual_seed(2)
    features = torch.rand((2, 3, 9, 13), generator=generator, dtype=torch.float64)
    boxes = [random_boxes(4, 36, generator).double(), random_boxes(3, 50, generator).double()]
    found = roi_align(features, boxes, 4, 3)
    flat = [(image, box / 4) for image, some in enumerate(boxes) for box in some]
    for number, (image, (top, left, bottom, right)) in enumerate(flat):
        for i in range(3):
            for j in range(3):
                values = [
                    _bilinear(
                        features[image],
                        float(top + (bottom - top) * (2 * i + s + 0.5) / 6) - 0.5,
                        float(left + (right - left) * (2 * j + t + 0.5) / 6) - 0.5,
                    )
                    for s in (0, 1)
                    for t in (0, 1)
                ]
                torch.testing.assert_close(found[number, :, i, j], torch.stack(values).mean(0))


def _bilinear(features_CHW: Tensor, row: float, col: float) -> Tensor:
    """The neighbours' values weighted by distance; 0 beyond a pixel outside."""
    _, height, width = features_CHW.shape
    if row < -1 or row > height or col < -1 or col > width:
        return features_CHW.new_zeros(len(features_CHW))
    row, col = min(max(row, 0.0), height - 1.0), min(max(col, 0.0), width - 1.0)
    low, left = int(row), int(col)
    high, right = min(low + 1, height - 1), min(left + 1, width - 1)
    down, across = row - low, col - left
    above = features_CHW[:, low, left] * (1 - across) + features_CHW[:, low, right] * across
    below = features_CHW[:, high, left] * (1 - across) + features_CHW[:, high, right] * across
    return above * (1 - down) + below * down


def test_roi_align_as_torchvision(torchvision_ops: ModuleType) -> None:
    generator = torch.Generator().manual_seed(3)
    features = torch.rand((2, 5, 16, 20), generator=generator)
    boxes = [random_boxes(20, 150, generator), random_boxes(9, 100, generator)]
    theirs = torchvision_ops.roi_align(
        features, [some[:, [1, 0, 3, 2]] for some in boxes], 7, spatial_scale=1 / 8, sampling_ratio=2, aligned=True
    )
    torch.testing.assert_close(roi_align(features, boxes, 8, 7), theirs, atol=1e-5, rtol=1e-5)


def test_roi_align_has_gradients_and_takes_no_boxes() -> None:
    features = torch.rand((1, 1, 4, 4), dtype=torch.float64, requires_grad=True)
    boxes = boxes_of((0.3, 0.7, 3.1, 2.9)).double()
    assert torch.autograd.gradcheck(lambda x: roi_align(x, [boxes], 1, 2), (features,))
    assert roi_align(features, [boxes[:0]], 1, 2).shape == (0, 1, 2, 2)


def test_anchors_by_hand() -> None:
    anchors = anchors_of((1, 2), 4, 8.0, (1.0, 4.0), torch.device("cpu"))
    expected = boxes_of((-2, -2, 6, 6), (-6, 0, 10, 4), (-2, 2, 6, 10), (-6, 4, 10, 8))
    torch.testing.assert_close(anchors, expected)


def test_boxes_are_read_from_the_level_of_the_paper() -> None:
    sides = torch.tensor([10.0, 111.0, 112.0, 224.0, 448.0, 4000.0])
    boxes = torch.stack([torch.zeros(6), torch.zeros(6), sides, sides], dim=1)
    assert finest_size((32, 64, 128, 256, 512)) == 56
    assert level_of(boxes, 4, 56).tolist() == [0, 0, 1, 2, 3, 3]


def test_boxes_read_from_many_levels_keep_their_order() -> None:
    pyramid = [torch.full((2, 1, 32 >> level, 32 >> level), float(level)) for level in range(3)]
    sides = [torch.tensor([90.0, 20.0, 40.0]), torch.tensor([20.0, 100.0])]
    boxes = [torch.stack([torch.zeros_like(side), torch.zeros_like(side), side, side], dim=1) for side in sides]
    read = read_boxes(pyramid, (4, 8, 16), boxes, 2, 20.0)
    assert read[:, 0, 0, 0].tolist() == [2.0, 0.0, 1.0, 0.0, 2.0]


def test_masks_are_pasted_by_hand() -> None:
    row, col, whole = paste_mask(torch.ones((2, 2)), torch.tensor([1.0, 2.0, 5.0, 6.0]), 8, 8)
    assert (row, col) == (1, 2)
    # Pixel centres at 1/8, 3/8, 5/8, 7/8 of the box are at -1/4, 1/4, 3/4, 5/4 in cells: outside there is nothing.
    edge = torch.tensor([0.75, 1.0, 1.0, 0.75])
    torch.testing.assert_close(whole, edge[:, None] * edge)
    left_half = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    row, col, cut = paste_mask(left_half, torch.tensor([0.0, 4.0, 2.0, 8.0]), 8, 6)
    assert (row, col, cut.shape) == (0, 4, (2, 2))
    torch.testing.assert_close(cut, torch.full((2, 2), 0.75))


def test_instances_of_a_mask_by_hand() -> None:
    mask = np.zeros((6, 8), np.uint8)
    mask[0:2, 0:3], mask[2, 3] = 1, 1  # touches by a corner only
    mask[4:6, 5:8] = 2
    valid = np.ones(mask.shape, bool)
    valid[5] = False
    targets = targets_from_mask(mask, (1, 2), 2, valid)
    assert targets.labels.tolist() == [1, 2]
    assert targets.boxes.tolist() == [[0, 0, 2, 3], [4, 5, 5, 8]]
    assert targets.masks.sum(dim=(1, 2)).tolist() == [6, 3]
    assert not targets.valid[2, 3]
    assert targets.valid.sum() == 6 * 8 - 8 - 1
    assert len(targets_from_mask(mask, 3).boxes) == 0
    with pytest.raises(ValueError, match="background"):
        targets_from_mask(mask, 0)


def test_valid_share_by_hand() -> None:
    valid = torch.ones((4, 4), dtype=torch.bool)
    valid[:, 2:] = False
    share = valid_share(boxes_of((0, 0, 4, 4), (1, 1, 3, 3), (0, 2, 1, 4), (-4, -4, 2, 2), (9, 9, 12, 12)), valid)
    assert share.tolist() == [0.5, 0.5, 0.0, 1.0, 0.0]


def test_matching_by_hand() -> None:
    mask = np.zeros((20, 40), np.uint8)
    mask[0:10, 0:10], mask[0:4, 30:34] = 1, 1
    valid = np.ones(mask.shape, bool)
    valid[12:] = False
    targets = targets_from_mask(mask, 1, 1, valid)
    boxes = boxes_of((0, 0, 10, 10), (0, 0, 10, 5), (0, 0, 2, 10), (0, 28, 8, 36), (0, 14, 9, 20), (13, 0, 19, 9))
    # IoU: 1; 0.5; 0.2; 16/64 with the second, of which no box has more; 0 on known ground; 0 on unknown ground.
    assert match(boxes, targets, low=0.3, high=0.7, best=True).tolist() == [
        0,
        UNDECIDED,
        NOTHING,
        1,
        NOTHING,
        UNDECIDED,
    ]
    assert match(boxes, targets, low=0.5, high=0.5, best=False).tolist() == [0, 0, NOTHING, NOTHING, NOTHING, UNDECIDED]


def test_samples_are_drawn_alike_from_one_seed() -> None:
    matched = torch.tensor([0, 1] * 30 + [NOTHING] * 100 + [UNDECIDED] * 10)
    draws = [sample(matched, 40, 0.25, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)]
    positive, negative = draws[0]
    assert (len(positive), len(negative)) == (10, 30)
    assert (matched[positive] >= 0).all()
    assert (matched[negative] == NOTHING).all()
    assert torch.equal(positive, draws[1][0])
    assert torch.equal(negative, draws[1][1])
    assert not torch.equal(negative, draws[2][1])
