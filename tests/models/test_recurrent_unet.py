"""The network's contract: causal, masked, pointwise in time, tile-exact."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from models.receptive_field import measure_radius
from tests.models.nets import HEADS, RADIUS_PX, STRIDE_PX, Looks, make_looks, make_net, stepped

pytestmark = pytest.mark.parametrize("head", HEADS)


def test_stepping_equals_all_dates_at_once(head: str) -> None:
    net, looks = make_net(head), make_looks(5, 40, 56, batch=2)
    with torch.no_grad():
        whole = net(looks.x, looks.clear, looks.day).exp()
    probs = stepped(net, looks)
    seen = looks.clear.cumsum(1) > 0
    assert whole.shape == probs.shape == (2, 5, 2, 40, 56)
    assert torch.equal(~torch.isnan(probs[:, :, 0]), seen)
    assert float((whole - probs).nan_to_num().abs().max()) < 1e-5
    assert float((probs.sum(2) - 1).nan_to_num().abs().max()) < 1e-4


def test_one_date_alone_and_every_weight_gets_a_gradient(head: str) -> None:
    net, looks = make_net(head).train(), make_looks(3, 32, 48, batch=2)
    first = net(looks.x[:, :1], looks.clear[:, :1], looks.day[:, :1])
    assert first.shape == (2, 1, 2, 32, 48)
    torch.autograd.backward(net(looks.x, looks.clear, looks.day)[:, :, 1].mean())
    without = [n for n, p in net.named_parameters() if p.grad is None or not bool(p.grad.abs().sum() > 0)]
    assert without == []


def test_a_cloudy_date_changes_nothing_bit_for_bit(head: str) -> None:
    net, looks = make_net(head), make_looks(3, 32, 40)
    state: tuple[Tensor, ...] = net.start(1, 32, 40)
    with torch.no_grad():
        for t in range(3):
            probs, *after = net.step(looks.x[:, t], looks.clear[:, t], looks.day[:, t], *state)
            state = tuple(after)
        cloud = torch.zeros_like(looks.clear[:, 0])
        again, *later = net.step(torch.full_like(looks.x[:, 0], torch.nan), cloud, looks.day[:, 2] + 30, *state)
    assert torch.equal(again.nan_to_num(-1), probs.nan_to_num(-1))
    assert all(torch.equal(old, new) for old, new in zip(state, later, strict=True))


@pytest.mark.parametrize("rubbish", [torch.nan, torch.inf, -1e30])
def test_values_under_the_mask_never_matter(head: str, rubbish: float) -> None:
    net, looks = make_net(head), make_looks(4, 32, 40)
    spoiled = torch.where(looks.clear.unsqueeze(2), looks.x, rubbish)
    assert torch.equal(
        stepped(net, looks).nan_to_num(-1), stepped(net, Looks(spoiled, looks.clear, looks.day)).nan_to_num(-1)
    )


def test_a_pixel_that_is_not_clear_repeats_its_last_look(head: str) -> None:
    net, looks = make_net(head), make_looks(6, 32, 40)
    probs = stepped(net, looks)
    for t in range(1, 6):
        hidden = (~looks.clear[:, t]).unsqueeze(1).expand(-1, 2, -1, -1)
        assert torch.equal(probs[:, t][hidden].nan_to_num(-1), probs[:, t - 1][hidden].nan_to_num(-1))


def test_the_future_never_matters(head: str) -> None:
    net, looks = make_net(head), make_looks(4, 32, 40)
    other = looks.x.clone()
    other[:, 2:] = 0.9
    assert torch.equal(
        stepped(net, looks)[:, :2].nan_to_num(-1),
        stepped(net, Looks(other, looks.clear, looks.day))[:, :2].nan_to_num(-1),
    )


@pytest.mark.parametrize("dates", [1, 5])
def test_the_receptive_field_is_the_card_s_for_any_number_of_dates(head: str, dates: int) -> None:
    assert measure_radius(make_net(head), dates=dates, reach_px=56, phases=(0, 6)) == RADIUS_PX


@pytest.mark.parametrize("block_px", [24, 40, 64])
def test_tiled_equals_whole(head: str, block_px: int) -> None:
    """Blocks of three sizes, a grid that no block size divides, windows cut with a halo on one pixel grid."""
    halo, height, width = 48, 72, 56
    net = make_net(head)
    looks = make_looks(2, height + 2 * halo, width + 2 * halo, cloud=0.3)
    clear = torch.zeros_like(looks.clear)
    inside = (..., slice(halo, halo + height), slice(halo, halo + width))
    clear[inside] = looks.clear[inside]
    whole = stepped(net, Looks(looks.x, clear, looks.day))
    for row in range(0, height, block_px):
        for col in range(0, width, block_px):
            rows, cols = min(block_px, height - row), min(block_px, width - col)
            window = (..., slice(row, row + rows + 2 * halo), slice(col, col + cols + 2 * halo))
            tile = stepped(net, Looks(looks.x[window], clear[window], looks.day))[..., halo:-halo, halo:-halo]
            core = whole[..., halo + row : halo + row + rows, halo + col : halo + col + cols]
            assert torch.equal(torch.isnan(tile), torch.isnan(core))
            assert float((tile - core).nan_to_num().abs().max()) < 1e-5
            assert torch.equal(tile.nan_to_num().argmax(2), core.nan_to_num().argmax(2))


def test_folding_the_norms_keeps_the_numbers(head: str) -> None:
    net, looks = make_net(head), make_looks(2, 32, 32)
    folded = copy.deepcopy(net)
    folded.fold()
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    assert float((stepped(net, looks) - stepped(folded, looks)).nan_to_num().abs().max()) < 1e-5


def test_cost_stays_within_the_budget(head: str) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    net, looks = make_net(head), make_looks(1, 64, 64)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net.step(looks.x[:, 0], looks.clear[:, 0], looks.day[:, 0], *net.start(1, 64, 64))
    assert counter.get_total_flops() / 64**2 < 100e3
    assert net.stride_px == STRIDE_PX
