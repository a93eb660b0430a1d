"""The detector: losses that fall, rectangles that are found, pixels that never count, draws that repeat."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from models.mask_rcnn.boxes import pairwise_iou
from models.mask_rcnn.head_losses import box_losses, mask_loss, sample_proposals
from models.mask_rcnn.network import MaskRCNN
from models.mask_rcnn.paste import paste_mask
from models.mask_rcnn.targets import Targets, targets_from_mask

SIDE = 64
LOSSES = {"objectness", "proposal_box", "class", "box", "mask"}


def tiny(**changes: object) -> MaskRCNN:
    torch.manual_seed(0)
    options = {"width": 0.125, "anchor_px": (8, 16, 32, 64, 128), "proposals": 100, "samples": 64} | changes
    return MaskRCNN(mean=(0.1, 0.2), std=(0.1, 0.1), **options)  # type: ignore[arg-type]


def total(losses: dict[str, Tensor]) -> Tensor:
    return torch.stack([*losses.values()]).sum()


def rectangle(rng: np.random.Generator) -> tuple[Tensor, Targets]:
    """A bright rectangle in noise."""
    x = rng.normal(0.1, 0.02, (2, SIDE, SIDE)).astype(np.float32)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    (row, col), (height, width) = rng.integers(0, 34, 2), rng.integers(16, 30, 2)
    mask[row : row + height, col : col + width] = 1
    x[:, mask == 1] += 0.25
    return torch.from_numpy(x), targets_from_mask(mask, 1)


def batch(rng: np.random.Generator, count: int = 2) -> tuple[Tensor, list[Targets]]:
    images, targets = zip(*(rectangle(rng) for _ in range(count)), strict=True)
    return torch.stack(images), list(targets)


@pytest.fixture(scope="module")
def trained() -> tuple[MaskRCNN, list[dict[str, float]]]:
    net, rng, generator = tiny(), np.random.default_rng(1), torch.Generator().manual_seed(1)
    optimizer = torch.optim.Adam(net.parameters(), 2e-3)
    history = []
    for _ in range(80):
        losses = net.losses(*batch(rng), generator)
        optimizer.zero_grad()
        torch.autograd.backward(total(losses))
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        history.append({name: loss.item() for name, loss in losses.items()})
    return net.eval(), history


def test_training_finds_rectangles(trained: tuple[MaskRCNN, list[dict[str, float]]]) -> None:
    net, history = trained
    assert all(set(losses) == LOSSES for losses in history)
    for name in ("objectness", "class", "mask"):
        assert np.mean([losses[name] for losses in history[-10:]]) < 0.6 * history[0][name]
    x, targets = batch(np.random.default_rng(99), 4)
    boxes, masks = [], []
    for found, truth in zip(net.detect(x), targets, strict=True):
        assert found.labels[0] == 1
        boxes.append(pairwise_iou(found.boxes[:1], truth.boxes).item())
        row, col, probs = paste_mask(found.masks[0], found.boxes[0], SIDE, SIDE)
        mask = torch.zeros((SIDE, SIDE), dtype=torch.bool)
        mask[row : row + probs.shape[0], col : col + probs.shape[1]] = probs >= 0.5
        masks.append(((mask & truth.masks[0]).sum() / (mask | truth.masks[0]).sum()).item())
    assert np.mean(boxes) > 0.45
    assert np.mean(masks) > 0.45


def test_what_was_learnt_holds_for_new_images(trained: tuple[MaskRCNN, list[dict[str, float]]]) -> None:
    x, targets = batch(np.random.default_rng(3))
    before, after = (net.losses(x, targets, torch.Generator().manual_seed(0)) for net in (tiny(), trained[0]))
    assert total(after) < 0.7 * total(before)


def test_losses_by_hand() -> None:
    """Two proposals, one of them for the only instance, and a head that is unsure of everything."""
    mask = np.zeros((32, 32), np.uint8)
    mask[8:16, 8:24] = 1
    truth = targets_from_mask(mask, 1)
    proposals = torch.tensor([[8.0, 8, 16, 20], [20, 20, 30, 30]])
    drawn = sample_proposals(proposals, truth, 8, torch.Generator().manual_seed(0))
    # A quarter of 8 may be positive: the first proposal (IoU 3/4) and the true box; the rest is the other one.
    assert drawn.labels.tolist() == [1, 1, 0]
    assert drawn.boxes.tolist() == [proposals[0].tolist(), [8, 8, 16, 24], proposals[1].tolist()]
    found = box_losses(torch.zeros((3, 2)), torch.zeros((3, 1, 4)), [drawn], [truth])
    assert found["class"].item() == pytest.approx(np.log(2))
    # Shift 2/12 and ratio 16/12, times 10 and 5; smooth L1 beyond beta is |d| - beta / 2; three boxes count.
    right, wider = 10 * 2 / 12, 5 * np.log(16 / 12)
    assert found["box"].item() == pytest.approx((right + wider - 1 / 9) / 3, rel=1e-5)
    assert mask_loss(torch.zeros((2, 1, 28, 28)), [drawn], [truth]).item() == pytest.approx(np.log(2))
    # Both boxes lie in the mask wholly, so a head that says so is right but for a cell at a corner, between pixels.
    assert mask_loss(torch.full((2, 1, 28, 28), 20.0), [drawn], [truth]).item() < 0.1
    assert mask_loss(torch.full((2, 1, 28, 28), -20.0), [drawn], [truth]).item() > 19.9


def test_detections_are_in_the_image_and_repeat(trained: tuple[MaskRCNN, list[dict[str, float]]]) -> None:
    net, _ = trained
    x, _ = batch(np.random.default_rng(5), 2)
    wide = torch.cat([x[:1], x[1:]], dim=3)
    first, second = net.detect(wide)[0], net.detect(wide)[0]
    assert len(first.boxes) > 0
    assert first.boxes.amin() >= 0
    assert (first.boxes[:, 2] <= SIDE).all()
    assert (first.boxes[:, 3] <= 2 * SIDE).all()
    assert (first.scores.diff() <= 0).all()
    assert first.masks.shape == (len(first.boxes), 28, 28)
    assert 0 <= first.masks.min() <= first.masks.max() <= 1
    for name in ("boxes", "labels", "scores", "masks"):
        assert torch.equal(getattr(first, name), getattr(second, name))


def test_losses_repeat_from_one_seed() -> None:
    x, targets = batch(np.random.default_rng(2))
    one, same, other = (tiny().losses(x, targets, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert all(torch.equal(one[name], same[name]) for name in LOSSES)
    assert any(not torch.equal(one[name], other[name]) for name in LOSSES)


def test_invalid_pixels_never_count() -> None:
    rng = np.random.default_rng(4)
    x, (truth,) = batch(rng, 1)
    mask = truth.masks[0].numpy().astype(np.uint8)
    valid = np.ones(mask.shape, bool)
    valid[:20, :40] = False
    other_x, other_mask = x.clone(), mask.copy()
    other_x[:, :, :20, :40] = float("nan")
    other_mask[:20, :40] = 1
    losses = [
        tiny().losses(image, [targets_from_mask(labels, 1, 1, valid)], torch.Generator().manual_seed(0))
        for image, labels in ((x, mask), (other_x, other_mask))
    ]
    for name in LOSSES:
        assert losses[0][name].isfinite()
        assert torch.equal(losses[0][name], losses[1][name])


def test_an_image_without_instances_trains_too() -> None:
    net = tiny()
    x = torch.rand((2, 2, SIDE, 96))
    losses = net.losses(x, [targets_from_mask(np.zeros((SIDE, 96), np.uint8), 1)] * 2)
    torch.autograd.backward(total(losses))
    assert losses["mask"].item() == losses["box"].item() == losses["proposal_box"].item() == 0
    assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())


def test_every_parameter_is_trained() -> None:
    net = tiny(classes=3)
    x, targets = batch(np.random.default_rng(7))
    two_kinds = [Targets(t.boxes, t.labels + number, t.masks, t.valid) for number, t in enumerate(targets)]
    torch.autograd.backward(total(net.losses(x, two_kinds)))
    without = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # Levels of the pyramid that no box of these small images is read from still reach the proposals.
    assert without == []


@pytest.mark.parametrize("encoder", ["resnet50", "mobilenet_v2"])
def test_other_encoders(encoder: str) -> None:
    net = tiny(encoder=encoder).eval()
    assert net.stride_px == 32
    assert len(net.detect(torch.rand((2, 2, SIDE, 32)))) == 2


def test_saved_weights_build_the_same_network(trained: tuple[MaskRCNN, list[dict[str, float]]]) -> None:
    net, _ = trained
    again = MaskRCNN(mean=(0.0, 0.0), std=(1.0, 1.0), **net.architecture)
    again.load_state_dict(net.state_dict())
    x, _ = batch(np.random.default_rng(8), 1)
    assert torch.equal(again.eval().detect(x)[0].masks, net.detect(x)[0].masks)


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValueError, match="5 levels"):
        tiny(anchor_px=(8, 16))
    with pytest.raises(ValueError, match="background"):
        tiny(classes=1)
    with pytest.raises(ValueError, match="do not fit"):
        Targets(torch.zeros((1, 4)), torch.ones(1, dtype=torch.int64), torch.zeros((1, 4, 4)), torch.ones((4, 5)))
