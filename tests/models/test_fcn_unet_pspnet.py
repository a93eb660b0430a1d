"""What sets FCN, U-Net and PSPNet apart, by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.fcn import FCN
from models.pspnet import PSPNet, pooling_weights
from models.unet import UNet
from models.upsampling import UPSAMPLINGS
from tests.models.nets import MEAN, STD


def image(height: int = 64, width: int = 96) -> Tensor:
    return torch.rand((1, 4, height, width), generator=torch.Generator().manual_seed(0)) / 2


def test_fcn_32s_interpolates_its_scores() -> None:
    net = FCN(mean=MEAN, std=STD, classes=3, encoder="resnet18", width=0.125, finest=32).eval()
    with torch.no_grad():
        scores = net.score[0](net.encoder(net.normalised(image(128, 160)))[-1])
        by_hand = functional.interpolate(scores, scale_factor=32.0, mode="bilinear", align_corners=False)
        inner = (..., slice(32, -32), slice(32, -32))
        torch.testing.assert_close(net(image(128, 160))[inner], by_hand[inner], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("encoder", ["vgg16", "resnet18"])
def test_fcn_s_skips_begin_silent_then_add_their_scores(encoder: str) -> None:
    """As initialised, FCN-8s is its coarsest scores upsampled by 2, 2 and 8; a skip adds to that what it scores."""
    net = FCN(mean=MEAN, std=STD, encoder=encoder, width=0.125, hidden=64).eval()
    with torch.no_grad():
        fourth, fifth = net.encoder(net.normalised(image()))[-2:]
        pooled = [functional.max_pool2d(f, 2) if encoder == "vgg16" else f for f in (fourth, fifth)]
        coarse = net.doublings[0](net.score[0](net.fc(pooled[1])))
        torch.testing.assert_close(net(image()), net.last(net.doublings[1](coarse)))
        score = net.score[1]
        assert isinstance(score, nn.Conv2d)
        score.weight.fill_(0.25)
        by_hand = coarse + 0.25 * pooled[0].sum(1, keepdim=True)
        torch.testing.assert_close(net(image()), net.last(net.doublings[1](by_hand)))


def test_fcn_converts_vgg_s_fully_connected_layers() -> None:
    with torch.device("meta"):
        net = FCN(mean=MEAN, std=STD, encoder="vgg16", classes=21, finest=32)
    shapes = [tuple(m.weight.shape) for m in net.fc.children() if isinstance(m, nn.Conv2d)]
    assert shapes == [(4096, 512, 7, 7), (4096, 4096, 1, 1)]
    with torch.device("meta"):
        assert list(FCN(mean=MEAN, std=STD, encoder="resnet18").fc.parameters()) == []
    with pytest.raises(ValueError, match="32, 16 or 8; got 4"):
        FCN(mean=MEAN, std=STD, finest=4)


def test_the_u_net_carries_features_over_by_concatenation() -> None:
    with torch.device("meta"):
        net = UNet(mean=MEAN, std=STD, encoder="vgg16_bn")
    wide = [next(m.in_channels for m in block.modules() if isinstance(m, nn.Conv2d)) for block in net.blocks]
    assert wide == [2 * c for c in (64, 128, 256, 512)]
    ups = [m for m in net.ups.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert [(m.in_channels, m.out_channels, m.kernel_size) for m in ups] == [
        (128, 64, (2, 2)), (256, 128, (2, 2)), (512, 256, (2, 2)), (512, 512, (2, 2)),
    ]  # fmt: skip


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
@pytest.mark.parametrize("encoder", ["vgg16", "resnet18"])
def test_the_u_net_takes_every_upsampling(encoder: str, upsampling: str) -> None:
    def build() -> UNet:
        return UNet(mean=MEAN, std=STD, encoder=encoder, width=0.125, upsampling=upsampling).eval()

    if (encoder, upsampling) == ("resnet18", "max_unpool"):
        with pytest.raises(ValueError, match="features at full size: use vgg16 or vgg16_bn in place of resnet18"):
            build()
        return
    with torch.no_grad():
        assert build()(image()).shape == (1, 2, 64, 96)


@pytest.mark.parametrize("bins", [1, 2, 3, 6])
@pytest.mark.parametrize("size", [(8, 12), (7, 5), (6, 64)])
def test_pyramid_pooling_is_adaptive_pooling(bins: int, size: tuple[int, int]) -> None:
    x = torch.rand((2, 3, *size), generator=torch.Generator().manual_seed(0))
    rows, cols = (pooling_weights(side, bins, x) for side in size)
    torch.testing.assert_close(rows @ x @ cols.T, functional.adaptive_avg_pool2d(x, bins))


def test_pyramid_pooling_by_hand() -> None:
    """Five values into two bins: 0 to 2 and 2 to 4, the middle one in both."""
    third = 1 / 3
    expected = torch.tensor([[third, third, third, 0, 0], [0, 0, third, third, third]])
    torch.testing.assert_close(pooling_weights(5, 2, torch.zeros(())), expected)


def test_a_pspnet_sees_the_whole_image_at_stride_8() -> None:
    net = PSPNet(mean=MEAN, std=STD, width=0.125).eval()
    assert [level.bins for level in net.pyramid] == [1, 2, 3, 6]
    assert (net.stride_px, net.encoder.strides[-1]) == (8, 8)
    x = image(64, 512).requires_grad_()
    (gradient,) = torch.autograd.grad(net(x)[0, 0, 4, 4], x)
    assert bool((gradient[0].abs().sum((0, 1)) > 0).all())
    with pytest.raises(ValueError, match="only resnet18"):
        PSPNet(mean=MEAN, std=STD, encoder="vgg16")
