"""Muon: orthogonal steps of AdamW's size for matrices and filters, AdamW's own for all else."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from models.training.optimizers import RMS_OF_ADAMW, Muon, is_matrix, open_optimizer, orthogonal, orthogonal_at_once


@pytest.mark.parametrize("shape", [(16, 108), (96, 24), (40, 40)])
def test_all_directions_of_a_matrix_become_alike(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape) @ torch.diag(torch.logspace(0, -1, shape[1]))
    before, after = torch.linalg.svdvals(matrix), torch.linalg.svdvals(orthogonal(matrix))
    assert before[0] > 2.5 * before[-1]
    assert 0.45 < after[-1] < after[0] < 1.3
    u, _, vt = torch.linalg.svd(matrix, full_matrices=False)
    turned = u.T @ orthogonal(matrix) @ vt.T  # diagonal: no direction is mixed with another
    torch.testing.assert_close(turned, torch.diag(turned.diagonal()), rtol=0, atol=1e-4)


def test_many_matrices_at_once_become_what_each_becomes() -> None:
    torch.manual_seed(0)
    matrices = [torch.randn(shape) for shape in ((16, 108), (96, 24), (40, 40), (8, 8))]
    for one, matrix in zip(orthogonal_at_once(matrices), matrices, strict=True):
        assert one.shape == matrix.shape
        torch.testing.assert_close(one, orthogonal(matrix), rtol=0, atol=1e-4)


def test_its_first_steps_are_as_large_as_adamws() -> None:
    net = nn.Conv2d(16, 32, 3)
    before = net.weight.detach().clone()
    muon = open_optimizer("muon", net, rate=1e-3, weight_decay=0.0)
    net.weight.grad = torch.randn_like(net.weight)
    muon.step()
    moved = (net.weight.detach() - before).square().mean().sqrt()
    assert float(moved) == pytest.approx(RMS_OF_ADAMW * 1e-3, rel=0.25)


def test_what_is_no_matrix_is_adamws() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(4, 1, 1), nn.BatchNorm2d(1))
    other = copy.deepcopy(net)
    assert not any(is_matrix(weight) for weight in net.parameters())
    pairs = [
        (one, open_optimizer(name, one, rate=1e-2, weight_decay=0.1)) for one, name in ((net, "muon"), (other, "adamw"))
    ]
    for _ in range(3):
        x = torch.randn(2, 4, 5, 5)
        for one, optimizer in pairs:
            optimizer.zero_grad()
            torch.autograd.backward(one(x).square().mean())
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True))


def test_a_layer_without_a_gradient_stays() -> None:
    net = nn.Linear(16, 16)
    before = copy.deepcopy(net.state_dict())
    Muon(net.parameters(), lr=1.0, weight_decay=0.5).step()
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_the_memory_format_of_filters_changes_no_step() -> None:
    torch.manual_seed(0)
    net = nn.Conv2d(16, 32, 3, bias=False)
    last = copy.deepcopy(net).to(memory_format=torch.channels_last)  # type: ignore[call-overload] # its stubs lag
    gradient = torch.randn_like(net.weight)
    for one in (net, last):
        one.weight.grad = gradient.clone()
        Muon(one.parameters(), lr=0.1, weight_decay=0.1).step()
    torch.testing.assert_close(net.weight, last.weight, rtol=0, atol=1e-7)
