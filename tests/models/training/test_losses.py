"""Losses: worked by hand, against a second implementation, and blind to invalid pixels."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.metrics import jaccard_score, log_loss
from torch import Tensor

from models.errors import ConfigRefused
from models.training.losses import LOSSES, Loss, build_loss, cross_entropy, focal, lovasz_softmax, soft_dice

CLASSES = 3
WEIGHTS = torch.tensor([0.5, 1.0, 4.0], dtype=torch.float64)
seeds = st.integers(0, 10_000)


def of(name: str) -> Loss:
    return build_loss({name: 1.0}, class_weights_K=WEIGHTS)


def draw(seed: int, shape: tuple[int, ...] = (2, 5, 7)) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    logits = torch.randn((*shape[:-2], CLASSES, *shape[-2:]), generator=rng, dtype=torch.float64) * 2
    target = torch.randint(0, CLASSES, shape, generator=rng)
    return logits, target, torch.rand(shape, generator=rng) > 0.3


def kept(logits: Tensor, target: Tensor, valid: Tensor) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Probabilities (N, K) and targets (N,) of valid pixels, through scipy."""
    rows = np.moveaxis(logits.numpy(), -3, -1)[valid.numpy()]
    return np.exp(log_softmax(rows, axis=1)), target.numpy()[valid.numpy()]


def from_probs(*rows: list[float]) -> Tensor:
    """One image of 1 x N pixels from rows of N probabilities per class."""
    return torch.tensor([rows], dtype=torch.float64).log().unsqueeze(2)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", [(2, 5, 7), (2, 3, 4, 4)])
def test_what_stands_on_invalid_pixels_never_counts(name: str, shape: tuple[int, ...]) -> None:
    logits, target, valid = draw(3, shape)
    spoiled = torch.where(valid.unsqueeze(-3), logits, math.nan).requires_grad_()
    loss = of(name)(spoiled, torch.where(valid, target, 255), valid)
    assert torch.equal(loss.detach(), of(name)(logits, target, valid))
    (gradient,) = torch.autograd.grad(loss, spoiled)
    assert torch.all(gradient.movedim(-3, -1)[~valid] == 0)
    assert torch.all(gradient.movedim(-3, -1)[valid].abs().sum(1) > 0)


@pytest.mark.parametrize("name", LOSSES)
def test_without_valid_pixels_the_loss_and_its_gradient_are_zero(name: str) -> None:
    logits = torch.full((1, CLASSES, 4, 4), math.nan, requires_grad=True)
    loss = of(name)(logits, torch.full((1, 4, 4), 255), torch.zeros(1, 4, 4, dtype=torch.bool))
    assert float(loss.detach()) == 0
    assert torch.all(torch.autograd.grad(loss, logits)[0] == 0)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_the_loss(name: str) -> None:
    logits, target, valid = draw(5, (1, 3, 4))
    assert torch.autograd.gradcheck(lambda x: of(name)(x, target, valid), (logits.requires_grad_(),))


@pytest.mark.parametrize("name", LOSSES)
def test_certainty_about_the_truth_costs_nothing(name: str) -> None:
    _, target, valid = draw(6)
    sure = torch.nn.functional.one_hot(target, CLASSES).movedim(-1, 1) * 60.0
    loss = of(name)(sure.requires_grad_(), target, valid)
    assert float(loss.detach()) == pytest.approx(0, abs=1e-6)
    assert torch.isfinite(torch.autograd.grad(loss, sure)[0]).all()


@pytest.mark.parametrize("name", LOSSES)
def test_logprobs_are_logits_too_and_half_precision_is_summed_in_full(name: str) -> None:
    logits, target, valid = draw(7)
    whole = of(name)(logits, target, valid)
    assert torch.allclose(of(name)(logits.log_softmax(1), target, valid), whole, rtol=1e-12)
    half = of(name)(logits.half(), target, valid)
    assert half.dtype == torch.float32
    assert float(half) == pytest.approx(float(whole), rel=5e-3)


@settings(deadline=None, max_examples=15)
@given(seed=seeds)
def test_cross_entropy_is_scikit_learns(seed: int) -> None:
    logits, target, valid = draw(seed)
    probs, truth = kept(logits, target, valid)
    plain = log_loss(truth, probs, labels=range(CLASSES))
    assert float(cross_entropy(logits, target, valid)) == pytest.approx(plain)
    weighted = log_loss(truth, probs, labels=range(CLASSES), sample_weight=WEIGHTS.numpy()[truth])
    assert float(cross_entropy(logits, target, valid, class_weights_K=WEIGHTS)) == pytest.approx(weighted)


def test_cross_entropy_and_focal_by_hand() -> None:
    logits, target, valid = from_probs([0.9, 0.5], [0.1, 0.5]), torch.tensor([[[0, 1]]]), torch.ones(1, 1, 2) > 0
    entropies = -math.log(0.9), -math.log(0.5)
    assert float(cross_entropy(logits, target, valid)) == pytest.approx(sum(entropies) / 2)
    assert float(focal(logits, target, valid)) == pytest.approx((0.01 * entropies[0] + 0.25 * entropies[1]) / 2)
    three = torch.tensor([1.0, 3.0])
    weighted = (0.01 * entropies[0] + 3 * 0.25 * entropies[1]) / 4
    assert float(focal(logits, target, valid, class_weights_K=three)) == pytest.approx(weighted)


@pytest.mark.parametrize("gamma", [0.0, 1.0, 3.5])
def test_focal_is_its_formula(gamma: float) -> None:
    logits, target, valid = draw(8)
    probs, truth = kept(logits, target, valid)
    p = np.take_along_axis(probs, truth[:, None], 1)[:, 0]
    assert float(focal(logits, target, valid, gamma=gamma)) == pytest.approx(np.mean(-((1 - p) ** gamma) * np.log(p)))
    with pytest.raises(ValueError, match=r"gamma: expected 0, or 1 or more; got 0\.5"):
        focal(logits, target, valid, gamma=0.5)


def test_dice_by_hand() -> None:
    # class 0: 2 (0.8 + 0.4) / (0.8 + 0.4 + 0.3 + 2) = 24/35; class 1: 2 x 0.7 / (0.2 + 0.6 + 0.7 + 1) = 14/25
    logits = from_probs([0.8, 0.4, 0.3], [0.2, 0.6, 0.7])
    target, valid = torch.tensor([[[0, 0, 1]]]), torch.ones(1, 1, 3) > 0
    assert float(soft_dice(logits, target, valid, smooth=0)) == pytest.approx(1 - (24 / 35 + 14 / 25) / 2)
    assert float(soft_dice(logits, target, valid)) == pytest.approx(1 - ((2.4 + 1) / (3.5 + 1) + (1.4 + 1) / 3.5) / 2)
    # only class 0 is in the truth: class 1 does not count
    assert float(soft_dice(logits, target * 0, valid, smooth=0)) == pytest.approx(1 - 2 * 1.5 / (1.5 + 3))


@settings(deadline=None, max_examples=15)
@given(seed=seeds)
def test_dice_is_its_formula(seed: int) -> None:
    logits, target, valid = draw(seed)
    probs, truth = kept(logits, target, valid)
    losses = []
    for k in np.unique(truth):
        inner = sum(p for p, t in zip(probs[:, k], truth, strict=True) if t == k)
        losses.append(1 - (2 * inner + 1) / (probs[:, k].sum() + np.count_nonzero(truth == k) + 1))
    assert float(soft_dice(logits, target, valid)) == pytest.approx(np.mean(losses))


def lovasz_extension(errors: NDArray[np.float64], foreground: set[int]) -> float:
    """Lovasz extension of the set function |M| / |foreground + M| by its definition (Berman 2018, definition 1)."""

    def jaccard_loss(mistaken: set[int]) -> float:
        return len(mistaken) / len(foreground | mistaken) if mistaken else 0.0

    order = [int(i) for i in np.argsort(-errors)]
    worst = [set(order[:n]) for n in range(len(order) + 1)]
    gains = [jaccard_loss(more) - jaccard_loss(less) for less, more in pairwise(worst)]
    return float(np.dot(errors[order], gains))


@settings(deadline=None, max_examples=15)
@given(seed=seeds)
def test_lovasz_is_its_definition_over_sets(seed: int) -> None:
    logits, target, valid = draw(seed, (1, 3, 5))
    probs, truth = kept(logits, target, valid)
    losses = [
        lovasz_extension(np.abs((truth == k) - probs[:, k]), set(np.flatnonzero(truth == k).tolist()))
        for k in np.unique(truth)
    ]
    assert float(lovasz_softmax(logits, target, valid)) == pytest.approx(np.mean(losses))


def test_lovasz_by_hand() -> None:
    # errors of class 0: 0.2, 0.6, 0.3. Sorted 0.6 (true), 0.3 (false), 0.2 (true): Jaccard losses 1/2, 2/3, 1,
    # so 0.6 x 1/2 + 0.3 x 1/6 + 0.2 x 1/3 = 5/12. Class 1: false, true, false: 1/2, 1, 1: 0.3 + 0.15 = 9/20.
    logits = from_probs([0.8, 0.4, 0.3], [0.2, 0.6, 0.7])
    loss = lovasz_softmax(logits, torch.tensor([[[0, 0, 1]]]), torch.ones(1, 1, 3) > 0)
    assert float(loss) == pytest.approx((5 / 12 + 9 / 20) / 2)


@settings(deadline=None, max_examples=15)
@given(seed=seeds)
def test_lovasz_of_certainties_is_one_minus_scikit_learns_iou(seed: int) -> None:
    logits, target, valid = draw(seed)
    given_ids = logits.argmax(1)
    sure = torch.nn.functional.one_hot(given_ids, CLASSES).movedim(-1, 1) * 1e4
    truth, mask = target[valid].numpy(), given_ids[valid].numpy()
    iou = jaccard_score(truth, mask, labels=np.unique(truth), average="macro")
    assert float(lovasz_softmax(sure, target, valid)) == pytest.approx(1 - iou, abs=1e-6)


def test_sums_are_sums() -> None:
    batch = draw(9)
    loss = build_loss({"cross_entropy": 1.0, "dice": 0.5, "lovasz": 2.0}, class_weights_K=WEIGHTS)
    parts = cross_entropy(*batch, class_weights_K=WEIGHTS) + 0.5 * soft_dice(*batch) + 2 * lovasz_softmax(*batch)
    assert torch.allclose(loss(*batch), parts)
    assert torch.equal(build_loss({"focal": 1.0}, focal_gamma=0)(*batch), cross_entropy(*batch))


@pytest.mark.parametrize("name", LOSSES)
def test_a_label_that_is_no_class_is_refused_where_it_counts(name: str) -> None:
    logits, target, valid = draw(10)
    with pytest.raises(ValueError, match=r"expected class ids 0\.\.2 where valid; got 255\.\.255"):
        of(name)(logits, torch.full_like(target, 255), valid)


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda: build_loss({}), "expected one or more of cross_entropy, dice, focal, lovasz; got none"),
        (lambda: build_loss({"hinge": 1.0}), "got hinge"),
        (lambda: build_loss({"dice": 0.0}), "loss.dice: expected a weight above 0; got 0.0"),
        (lambda: build_loss({"dice": math.nan}), "loss.dice"),
        (lambda: build_loss({"focal": 1.0}, focal_gamma=0.5), "focal_gamma: expected 0, or 1 or more; got 0.5"),
    ],
)
def test_a_bad_table_is_refused_with_the_reason(build: Callable[[], object], reason: str) -> None:
    with pytest.raises(ConfigRefused) as caught:
        build()
    assert reason in str(caught.value)
