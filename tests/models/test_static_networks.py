"""The contract of every static network."""

from __future__ import annotations

import copy

import pytest
import safetensors.torch
import torch
from torch import Tensor

from models.pspnet import AUXILIARY_WEIGHT
from models.static import StaticNet, StaticStep
from tests.models.nets import make_looks
from tests.models.static_nets import NETS, make_static

HEIGHT, WIDTH_PX = 64, 96

pytestmark = pytest.mark.parametrize("name", NETS)


def image(batch: int = 1, seed: int = 0) -> Tensor:
    return torch.rand((batch, 4, HEIGHT, WIDTH_PX), generator=torch.Generator().manual_seed(seed)) / 2


def loss_of(net: StaticNet, x: Tensor) -> Tensor:
    """Any loss that tells all logits of all outputs apart."""
    torch.manual_seed(1)
    return torch.stack(
        [weight * (logits * torch.randn(logits.shape)).mean() for weight, logits in net.outputs(x)]
    ).sum()


def test_logits_have_the_size_of_the_image(name: str) -> None:
    net = make_static(name, classes=3)
    with torch.no_grad():
        logits = net(image(2))
    assert logits.shape == (2, 3, HEIGHT, WIDTH_PX)
    assert HEIGHT % net.stride_px == WIDTH_PX % net.stride_px == 0
    assert bool(torch.isfinite(logits).all())
    assert float(logits.std()) > 0


def test_every_weight_gets_a_gradient(name: str) -> None:
    net = make_static(name)
    torch.autograd.backward(loss_of(net, image(2)))
    without = [
        n for n, p in net.named_parameters() if p.requires_grad and (p.grad is None or not bool(p.grad.abs().sum() > 0))
    ]
    assert without == []


def test_it_trains(name: str) -> None:
    """A few steps on two random images bring the loss down; all gradients are finite with the norms' own statistics."""
    net = make_static(name).train()
    torch.manual_seed(2)
    x, wanted = image(2), torch.zeros((2, HEIGHT, WIDTH_PX), dtype=torch.int64)
    wanted[:, :, WIDTH_PX // 2 :] = 1
    x = torch.where(wanted.unsqueeze(1) == 1, x + 0.3, x)
    adam, losses = torch.optim.Adam(net.parameters(), lr=3e-3), []
    for _ in range(6):
        loss = torch.stack([w * torch.nn.functional.cross_entropy(o, wanted) for w, o in net.outputs(x)]).sum()
        adam.zero_grad()
        torch.autograd.backward(loss)
        assert all(bool(torch.isfinite(p.grad).all()) for p in net.parameters() if p.grad is not None)
        adam.step()
        losses.append(float(loss.detach()))
    assert min(losses[-2:]) < losses[0]


def test_the_main_output_comes_first_and_in_inference_alone(name: str) -> None:
    net, x = make_static(name), image(2)
    with torch.no_grad():
        outputs, logits = net.outputs(x), net(x)
    assert outputs[0][0] == 1.0
    assert torch.equal(outputs[0][1], logits)
    assert [weight for weight, _ in outputs[1:]] == ([AUXILIARY_WEIGHT] if name.startswith("pspnet") else [])
    assert all(o.shape == logits.shape for _, o in outputs)


def test_architecture_and_safetensors_give_the_same_network(name: str) -> None:
    net = make_static(name)
    again = type(net)(mean=[0.0] * 4, std=[1.0] * 4, **net.architecture)
    again.load_state_dict(safetensors.torch.load(safetensors.torch.save(net.state_dict())))
    with torch.no_grad():
        assert torch.equal(again.eval()(image()), net(image()))


def test_folding_the_norms_keeps_the_numbers(name: str) -> None:
    net = make_static(name)
    folded = StaticStep(copy.deepcopy(net))
    folded.fold()
    norms = [n for n, m in folded.named_modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms == []
    with torch.no_grad():
        torch.testing.assert_close(folded.net(image()), net(image()), rtol=1e-3, atol=1e-4)


def test_a_series_repeats_the_last_look_and_nothing_under_the_mask_matters(name: str) -> None:
    step, looks = StaticStep(make_static(name)), make_looks(3, HEIGHT, WIDTH_PX)
    spoilt = torch.where(looks.clear.unsqueeze(2), looks.x, torch.nan)
    probs, last = [], torch.full((1, 2, HEIGHT, WIDTH_PX), torch.nan)
    with torch.no_grad():
        for x_BTCHW in (looks.x, spoilt):
            state: tuple[Tensor, ...] = step.start(1, HEIGHT, WIDTH_PX)
            for t in range(3):
                now, *after = step.step(x_BTCHW[:, t], looks.clear[:, t], looks.day[:, t], *state)
                state = tuple(after)
                probs.append(now)
    for t in range(3):
        clear = looks.clear[:, t].unsqueeze(1)
        assert torch.equal(probs[t].nan_to_num(-1), probs[t + 3].nan_to_num(-1))
        assert torch.equal(torch.where(clear, 0, probs[t]).nan_to_num(-1), torch.where(clear, 0, last).nan_to_num(-1))
        assert bool(torch.isfinite(probs[t].masked_select(clear)).all())
        last = probs[t]
    assert torch.allclose(last.sum(1).nan_to_num(1), torch.ones(()))
