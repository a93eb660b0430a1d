"""Each upsampling on an example worked by hand: 2x2 to 4x4."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.upsampling import (
    UPSAMPLINGS,
    MaxPoolIndices,
    bilinear_kernel,
    bilinear_transposed,
    build_upsampling,
)


def plane(*rows: tuple[float, ...]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32)[None, None]


SMALL = plane((1, 2), (3, 4))


def test_nearest_repeats() -> None:
    expected = plane((1, 1, 2, 2), (1, 1, 2, 2), (3, 3, 4, 4), (3, 3, 4, 4))
    assert torch.equal(build_upsampling("nearest", 1)(SMALL), expected)


def test_bed_of_nails_sets_one_and_leaves_three() -> None:
    expected = plane((1, 0, 2, 0), (0, 0, 0, 0), (3, 0, 4, 0), (0, 0, 0, 0))
    assert torch.equal(build_upsampling("bed_of_nails", 1)(SMALL), expected)


def test_bilinear_weighs_the_two_nearest_by_distance() -> None:
    """Centres lie at 1/4 and 3/4 between the coarse centres; beyond the outer ones the outer value stays."""
    expected = plane((1, 1.25, 1.75, 2), (1.5, 1.75, 2.25, 2.5), (2.5, 2.75, 3.25, 3.5), (3, 3.25, 3.75, 4))
    assert torch.equal(build_upsampling("bilinear", 1)(SMALL), expected)


def test_a_transposed_convolution_stamps_its_filter() -> None:
    """Each value times the 2x2 filter (10, 20; 30, 40); stride 2, so that no stamps overlap; plus the bias 0.5."""
    up = build_upsampling("transposed", 1)
    assert isinstance(up.up, nn.ConvTranspose2d)
    assert up.up.bias is not None
    with torch.no_grad():
        up.up.weight.copy_(plane((10, 20), (30, 40)))
        up.up.bias.fill_(0.5)
    expected = plane((10, 20, 20, 40), (30, 40, 60, 80), (30, 60, 40, 80), (90, 120, 120, 160)) + 0.5
    assert torch.equal(up(SMALL), expected)


def test_max_unpooling_puts_values_back_where_the_maxima_stood() -> None:
    fine = plane((1, 9, 0, 0), (2, 3, 0, 0), (5, 4, -1, -3), (5, 4, -2, -1))
    pooled, places = MaxPoolIndices()(fine)
    assert torch.equal(pooled, plane((9, 0), (5, -1)))
    assert places.tolist() == [[[[1, 0], [0, 0]]]]  # of equals, the first
    expected = plane((0, 1, 2, 0), (0, 0, 0, 0), (3, 0, 4, 0), (0, 0, 0, 0))
    assert torch.equal(build_upsampling("max_unpool", 1)(SMALL, places), expected)


def test_max_pooling_and_unpooling_are_torch_s() -> None:
    torch.manual_seed(0)
    x = torch.randn((2, 3, 8, 12)).relu().requires_grad_()
    pooled, places = MaxPoolIndices()(x)
    theirs, flat = functional.max_pool2d(x, 2, return_indices=True)
    assert torch.equal(pooled, theirs)
    unpooled = build_upsampling("max_unpool", 3)(pooled, places)
    assert torch.equal(unpooled, functional.max_unpool2d(theirs, flat, [2, 2]))
    weights = torch.randn(pooled.shape)
    ours, others = (torch.autograd.grad((values * weights).sum(), x)[0] for values in (pooled, theirs))
    assert torch.equal(ours, others)


def test_the_bilinear_filter_by_hand() -> None:
    rows = torch.tensor([1.0, 3, 3, 1]) / 4
    assert torch.equal(bilinear_kernel(2), torch.outer(rows, rows))
    with pytest.raises(ValueError, match="even"):
        bilinear_kernel(3)


@pytest.mark.parametrize("learned", [True, False])
@pytest.mark.parametrize("factor", [2, 8])
def test_a_bilinear_transposed_convolution_interpolates(factor: int, learned: bool) -> None:
    torch.manual_seed(0)
    x, up = torch.rand((1, 3, 5, 6)), bilinear_transposed(3, factor, learned=learned)
    expected = functional.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)
    inner = (..., slice(factor, -factor), slice(factor, -factor))  # at the edge it reads zeros instead
    torch.testing.assert_close(up(x)[inner], expected[inner])
    assert up.weight.requires_grad is learned


def test_a_bilinear_transposed_convolution_on_2x2_by_hand() -> None:
    """Rows and columns by (1, 3, 3, 1) / 4 and zeros beyond the edge: the corner is 1 * 9 / 16."""
    up = bilinear_transposed(1, 2, learned=True)
    expected = plane((9, 15, 21, 18), (18, 28, 36, 30), (30, 44, 52, 42), (27, 39, 45, 36)) / 16
    assert torch.equal(up(SMALL).detach(), expected)


@pytest.mark.parametrize("name", UPSAMPLINGS)
def test_every_upsampling_doubles_and_changes_channels(name: str) -> None:
    x, up = torch.rand((2, 6, 3, 5), requires_grad=True), build_upsampling(name, 6, 4)
    places = torch.zeros((2, 4, 3, 5), dtype=torch.int32) if up.needs_indices else None
    out = up(x, places)
    assert out.shape == (2, 4, 6, 10)
    out.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in (x, *up.parameters()))


def test_an_upsampling_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="transposed, nearest"):
        build_upsampling("bicubic", 4)
