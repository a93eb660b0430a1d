"""The MobileNetV2 encoder, with the names of torchvision's state dict.

Source: Sandler et al. 2018, "MobileNetV2: inverted residuals and linear bottlenecks", table 2.
"""

from __future__ import annotations

from torch import Tensor, nn

from models.encoders.encoder import Encoder

STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Per stage: expansion of a block, channels, blocks, stride of the first block."""

TAPS = (1, 3, 6, 13, 18)
"""Layers whose output is a feature map: the last ones at strides 2, 4, 8, 16, 32."""


def _divisible(channels: float) -> int:
    """Round to a multiple of 8, never down by more than a tenth (the paper's own rule)."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _conv_norm(channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels_out), nn.ReLU6())


class InvertedResidual(nn.Module):
    """1x1 that widens, 3x3 per channel, linear 1x1 that narrows; a shortcut where the shape stays."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = channels_in * expansion
        self.keeps_shape = stride == 1 and channels_in == channels_out
        self.conv = nn.Sequential(
            *([] if expansion == 1 else [_conv_norm(channels_in, hidden, 1)]),
            _conv_norm(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return features (B, channels_out, H / stride, W / stride)."""
        out: Tensor = self.conv(x_BCHW)
        return x_BCHW + out if self.keeps_shape else out


class MobileNetV2(Encoder):
    """Feature maps at strides 2, 4, 8, 16, 32; channels are multiples of 8."""

    def __init__(self, bands: int, *, width: float = 1.0) -> None:
        super().__init__()
        self.bands = bands
        self.strides = (2, 4, 8, 16, 32)
        channels_in = _divisible(32 * width)
        layers: list[nn.Module] = [_conv_norm(bands, channels_in, 3, 2)]
        widths = [channels_in]
        for expansion, channels, depth, stride in STAGES:
            channels_out = _divisible(channels * width)
            for number in range(depth):
                layers.append(InvertedResidual(channels_in, channels_out, stride if number == 0 else 1, expansion))
                channels_in = channels_out
                widths.append(channels_out)
        widths.append(_divisible(1280 * width))
        layers.append(_conv_norm(channels_in, widths[-1], 1))
        self.features = nn.Sequential(*layers)
        self.channels = tuple(widths[tap] for tap in TAPS)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, x_BCHW: Tensor) -> list[Tensor]:
        """Return five feature maps, at strides 2, 4, 8, 16, 32."""
        x, features = x_BCHW, []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in TAPS:
                features.append(x)
        return features
