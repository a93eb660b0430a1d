"""The feature pyramid: coarse features brought to every finer level.

Source: Lin et al. 2017, "Feature Pyramid Networks for Object Detection".
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional


def _conv(channels_in: int, channels_out: int, size: int) -> nn.Conv2d:
    convolution = nn.Conv2d(channels_in, channels_out, size, padding=size // 2)
    nn.init.kaiming_uniform_(convolution.weight, a=1)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    return convolution


class FeaturePyramid(nn.Module):
    """1x1 convolutions to one width, nearest upsampling from level to level, 3x3 against aliasing.

    One level more, every second pixel of the coarsest, serves large anchors only.

    Args:
        channels: of the encoder's levels, finest first; each level's stride is twice the one before.
        width: channels of every level of the pyramid.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(_conv(c, width, 1) for c in channels)
        self.smooth = nn.ModuleList(_conv(width, width, 3) for _ in channels)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Return the pyramid, finest first, one level more than came in."""
        merged = [lateral(level) for lateral, level in zip(self.lateral, features, strict=True)]
        for level in reversed(range(len(merged) - 1)):
            merged[level] = merged[level] + functional.interpolate(merged[level + 1], scale_factor=2.0, mode="nearest")
        pyramid = [smooth(level) for smooth, level in zip(self.smooth, merged, strict=True)]
        return [*pyramid, functional.max_pool2d(pyramid[-1], 1, stride=2)]
