"""What a decoder asks of an encoder: features at several strides, the finest first."""

from __future__ import annotations

from torch import Tensor, nn


def scaled(channels: int, width: float) -> int:
    """Return the channels of a layer in a network whose width is multiplied; at least 4."""
    return max(4, round(channels * width))


class Encoder(nn.Module):
    """Features of an image, finest first.

    Attributes:
        bands: channels of the input.
        channels: channels of each feature map.
        strides: input pixels per feature pixel, of each map.
        pools_after: True where each map still waits for the 2x2 max-pooling that follows it in the paper (VGG); False
            where convolutions stride (ResNet, MobileNet).
    """

    bands: int
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    pools_after: bool = False

    def forward(self, x_BCHW: Tensor) -> list[Tensor]:
        """Return the feature maps; height and width of the input are multiples of the largest stride."""
        raise NotImplementedError
