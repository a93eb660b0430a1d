"""ResNet encoders, with the names of torchvision's state dicts.

Source: He et al. 2016, "Deep residual learning for image recognition"; the dilated form of Yu et al. 2017, "Dilated
residual networks", as PSPNet uses it: the last two stages keep the stride at 8 and dilate by 2 and 4.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from models.encoders.encoder import Encoder, scaled


def _conv3x3(channels_in: int, channels_out: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, stride, dilation, dilation, bias=False)


def _shortcut(channels_in: int, channels_out: int, stride: int) -> nn.Sequential | None:
    """Return the projection that a block's shortcut needs where the shape changes."""
    if stride == 1 and channels_in == channels_out:
        return None
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut around them (ResNet-18 and 34).

    Args:
        channels_in, channels: channels of the input, and of both convolutions.
        stride: of the first convolution.
        dilations: of the first and of the second convolution.
    """

    expansion = 1

    def __init__(self, channels_in: int, channels: int, stride: int, dilations: tuple[int, int]) -> None:
        super().__init__()
        self.conv1 = _conv3x3(channels_in, channels, stride, dilations[0])
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        self.conv2 = _conv3x3(channels, channels, 1, dilations[1])
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = _shortcut(channels_in, channels, stride)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return features (B, channels, H / stride, W / stride)."""
        shortcut = x_BCHW if self.downsample is None else self.downsample(x_BCHW)
        x = self.relu(self.bn1(self.conv1(x_BCHW)))
        out: Tensor = self.relu(self.bn2(self.conv2(x)) + shortcut)
        return out


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and a shortcut around them (ResNet-50); the 3x3 strides, as in torchvision.

    Args: as `BasicBlock`; the only 3x3 takes the first dilation.
    """

    expansion = 4

    def __init__(self, channels_in: int, channels: int, stride: int, dilations: tuple[int, int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = _conv3x3(channels, channels, stride, dilations[0])
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, channels * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels * self.expansion)
        self.relu = nn.ReLU()
        self.downsample = _shortcut(channels_in, channels * self.expansion, stride)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return features (B, 4 * channels, H / stride, W / stride)."""
        shortcut = x_BCHW if self.downsample is None else self.downsample(x_BCHW)
        x = self.relu(self.bn1(self.conv1(x_BCHW)))
        x = self.relu(self.bn2(self.conv2(x)))
        out: Tensor = self.relu(self.bn3(self.conv3(x)) + shortcut)
        return out


class ResNet(Encoder):
    """Feature maps after the first convolution and after each of the four stages.

    Args:
        block: kind of residual block.
        depths: blocks per stage.
        bands: channels of the input.
        width: multiplies all channels.
        dilated: the last two stages dilate in place of striding, so that the largest stride is 8.
    """

    def __init__(
        self, block: type[BasicBlock] | type[Bottleneck], depths: Sequence[int], bands: int, *, width: float = 1.0,
        dilated: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        stem, *_ = planes = [scaled(channels, width) for channels in (64, 128, 256, 512)]
        self.bands = bands
        self.channels = (stem, *(channels * block.expansion for channels in planes))
        self.strides = (2, 4, 8, 8, 8) if dilated else (2, 4, 8, 16, 32)
        self.conv1 = nn.Conv2d(bands, stem, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        dilations = (1, 1, 1, 2, 4) if dilated else (1,) * 5
        channels_in = stem
        for stage, (channels, depth) in enumerate(zip(planes, depths, strict=True), start=1):
            stride = self.strides[stage] // self.strides[stage - 1] if stage > 1 else 1
            blocks = []
            for number in range(depth):
                first = number == 0  # its first convolution reads the grid of the stage before
                spacing = dilations[stage - 1 if first else stage], dilations[stage]
                blocks.append(block(channels_in, channels, stride if first else 1, spacing))
                channels_in = channels * block.expansion
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x_BCHW: Tensor) -> list[Tensor]:
        """Return five feature maps, at strides 2, 4, 8, 16, 32 (dilated: 2, 4, 8, 8, 8)."""
        features = [self.relu(self.bn1(self.conv1(x_BCHW)))]
        x = self.maxpool(features[0])
        for stage in range(1, 5):
            x = self.get_submodule(f"layer{stage}")(x)
            features.append(x)
        return features
