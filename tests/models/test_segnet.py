"""SegNet is VGG-16 down and up; the Bayesian variant tells how sure it is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from models.segnet import SegNet
from tests.models.nets import MEAN, STD
from tests.models.static_nets import make_static


def image() -> Tensor:
    return torch.rand((1, 4, 32, 64), generator=torch.Generator().manual_seed(0)) / 2


def bayesian() -> SegNet:
    net = make_static("segnet-bayesian")
    assert isinstance(net, SegNet)
    return net


def test_thirteen_convolutions_down_and_thirteen_up() -> None:
    with torch.device("meta"):
        net = SegNet(mean=MEAN, std=STD, classes=11)
    down = [m.out_channels for m in net.encoder.modules() if isinstance(m, nn.Conv2d)]
    up = [m.out_channels for m in net.units.modules() if isinstance(m, nn.Conv2d)] + [net.to_logits.out_channels]
    assert down == [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    assert up == [512, 512, 512, 512, 512, 256, 256, 256, 128, 128, 64, 64, 11]


def test_the_bayesian_variant_has_its_dropouts_in_the_central_six_units() -> None:
    kinds = [[type(m).__name__ for m in drops] for drops in (bayesian().drops_down, bayesian().drops_up)]
    assert kinds == [["Identity"] * 2 + ["Dropout"] * 3, ["Dropout"] * 3 + ["Identity"] * 2]
    assert not any(isinstance(m, nn.Dropout) for m in SegNet(mean=MEAN, std=STD, width=0.125).modules())


def test_sampling_is_the_mean_and_variance_of_passes_with_dropout() -> None:
    net, x, passes = bayesian(), image(), 5
    sampled = net.sample(x, passes, seed=3)
    net.drops_down.train()
    net.drops_up.train()
    torch.manual_seed(3)
    with torch.no_grad():
        every = torch.stack([net(x).softmax(1) for _ in range(passes)])
    torch.testing.assert_close(sampled.mean, every.mean(0))
    torch.testing.assert_close(sampled.variance, every.var(0, correction=0))
    torch.testing.assert_close(sampled.entropy, -(every.mean(0) * every.mean(0).log()).sum(1))
    assert float(sampled.variance.max()) > 1e-6


def test_a_seed_gives_the_same_and_leaves_torch_s_own_as_it_was() -> None:
    net, x = bayesian().train(), image()
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    first, again, other = net.sample(x, 3, seed=1), net.sample(x, 3, seed=1), net.sample(x, 3, seed=2)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first.mean, again.mean)
    assert torch.equal(first.variance, again.variance)
    assert not torch.equal(first.mean, other.mean)
    assert all(module.training for module in net.modules())


def test_sampling_needs_dropout_and_two_passes() -> None:
    net = make_static("segnet")
    assert isinstance(net, SegNet)
    with pytest.raises(ValueError, match="bayesian=True"):
        net.sample(image(), 4, seed=0)
    with pytest.raises(ValueError, match="2 passes or more; got 1"):
        bayesian().sample(image(), 1, seed=0)


@pytest.mark.parametrize("upsampling", ["transposed", "nearest", "bed_of_nails", "bilinear"])
def test_the_decoder_takes_other_upsamplings(upsampling: str) -> None:
    net = SegNet(mean=MEAN, std=STD, width=0.125, upsampling=upsampling).eval()
    assert net(image()).shape == (1, 2, 32, 64)


def test_it_mirrors_vgg_alone() -> None:
    with pytest.raises(ValueError, match="vgg16, vgg16_bn; got 'resnet18'"):
        SegNet(mean=MEAN, std=STD, encoder="resnet18")
