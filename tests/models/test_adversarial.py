"""Adversarial training: the three inputs and the objectives against numbers worked by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from models.adversarial import (
    Discriminator,
    Reads,
    class_images,
    discriminator_loss,
    fooling_loss,
    one_hot,
    soften_truth,
)


def pixels(*values: list[float]) -> Tensor:
    """One image of one row: a column per pixel."""
    return torch.tensor(values).T.reshape(1, len(values[0]), 1, len(values))


def test_the_truth_as_a_map_is_zero_where_nothing_is_known() -> None:
    target, valid = torch.tensor([[[2, 0, 255]]]), torch.tensor([[[True, True, False]]])
    assert torch.equal(one_hot(target, valid, 3), pixels([0.0, 0, 1], [1.0, 0, 0], [0.0, 0, 0]))


def test_scaling_by_hand() -> None:
    """tau = 0.9. Unsure and right: 0.9, the rest shared as by the network; surer than tau: kept; wrong: still 0.9."""
    truth = pixels([1.0, 0, 0], [1.0, 0, 0], [0.0, 1, 0], [0.0, 0, 0])
    probs = pixels([0.5, 0.3, 0.2], [0.95, 0.04, 0.01], [0.8, 0.0, 0.2], [0.2, 0.3, 0.5])
    by_hand = pixels([0.9, 0.06, 0.04], [0.95, 0.04, 0.01], [0.08, 0.9, 0.02], [0.0, 0, 0])
    softened = soften_truth(truth, probs.requires_grad_())
    torch.testing.assert_close(softened, by_hand)
    assert not softened.requires_grad
    sure = soften_truth(pixels([1.0, 0]), pixels([1.0, 0]))
    torch.testing.assert_close(sure, pixels([1.0, 0]))


def test_product_by_hand() -> None:
    maps, image = pixels([0.25, 0.75], [1.0, 0.0]), pixels([4.0, 8, -4], [1.0, 2, 3])
    by_hand = pixels([1.0, 2, -1, 3, 6, -3], [1.0, 2, 3, 0, 0, 0])
    assert torch.equal(class_images(maps, image), by_hand)


@pytest.mark.parametrize("reads", ["basic", "product", "scaling"])
def test_what_a_discriminator_reads(reads: Reads) -> None:
    """The maps as they are, or times the image and nothing else: there, a dark image hides the maps."""
    torch.manual_seed(0)
    judge = Discriminator(4, 2, reads=reads, widths=(4, 6)).eval()
    image, maps, others = torch.randn(3, 4, 16, 12), torch.rand(3, 2, 16, 12), torch.rand(3, 2, 16, 12)
    verdict = judge(image, maps)
    assert verdict.shape == (3,)
    assert not torch.allclose(verdict, judge(image, others))
    assert not torch.allclose(verdict, judge(-image, maps))
    dark = torch.zeros_like(image)
    assert torch.allclose(judge(dark, maps), judge(dark, others)) == (reads == "product")


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def test_the_objectives_by_hand() -> None:
    true, made = (1.0, 2.0), (-1.0, 0.5)
    by_hand = -sum(math.log(sigmoid(v)) for v in true) / 2 - sum(math.log(1 - sigmoid(v)) for v in made) / 2
    assert float(discriminator_loss(torch.tensor(true), torch.tensor(made))) == pytest.approx(by_hand, rel=1e-5)
    practical = -sum(math.log(sigmoid(v)) for v in made) / 2
    assert float(fooling_loss(torch.tensor(made))) == pytest.approx(practical, rel=1e-5)


def test_a_sure_discriminator_still_teaches() -> None:
    """Where the made map is seen through (logit -8), log(1 - D) has no gradient left, and -log D has all of it."""
    made = torch.full((1,), -8.0, requires_grad=True)
    (practical,) = torch.autograd.grad(fooling_loss(made), made)
    (of_the_game,) = torch.autograd.grad(torch.log1p(-torch.sigmoid(made)).mean(), made)
    assert float(practical) == pytest.approx(-1, abs=1e-3)
    assert abs(float(of_the_game)) < 1e-3
