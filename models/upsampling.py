"""Doubling the height and width of feature maps, in the ways that decoders are told apart by.

Each is shown on a worked example in `tests/models/test_upsampling.py`.
Source: Long et al. 2015, "Fully convolutional networks for semantic segmentation" (transposed convolution, bilinear
filters); Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks" (unpooling with switches).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

UPSAMPLINGS = ("transposed", "nearest", "bed_of_nails", "bilinear", "max_unpool")


def build_upsampling(name: str, channels: int, channels_out: int | None = None) -> Upsampling:
    """Build a module that doubles height and width.

    Args:
        name: one of `UPSAMPLINGS`.
        channels: of the input.
        channels_out: of the output; None = as many.

    Raises:
        ValueError: the name is unknown.
    """
    return Upsampling(name, channels, channels if channels_out is None else channels_out)


def bilinear_kernel(factor: int) -> Tensor:
    """Return the filter with which a transposed convolution of stride `factor` interpolates bilinearly.

    Returns:
        (2 * factor, 2 * factor); for factor 2 the outer product of (1, 3, 3, 1) / 4 with itself.
    """
    if factor < 2 or factor % 2:
        raise ValueError(f"a bilinear filter here needs an even factor; got {factor}")
    away = (torch.arange(2 * factor) - (factor - 0.5)).abs()
    return torch.outer(1 - away / factor, 1 - away / factor)


def bilinear_transposed(channels: int, factor: int, *, learned: bool) -> nn.ConvTranspose2d:
    """Return a transposed convolution from `channels` to `channels` that begins as bilinear interpolation.

    Beyond the edge of the map it reads zeros, as any convolution, so that values fade there by up to half.
    Fixed, it has one filter per channel; learned, it may mix the channels.
    """
    groups = 1 if learned else channels
    up = nn.ConvTranspose2d(channels, channels, 2 * factor, factor, factor // 2, groups=groups, bias=False)
    with torch.no_grad():
        up.weight.zero_()
        for channel in range(channels):
            up.weight[channel, channel if learned else 0] = bilinear_kernel(factor)
    up.weight.requires_grad_(learned)
    return up


class BedOfNails(nn.Module):
    """Each value in the upper left of its 2x2 cell, zeros in the other three."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return (B, C, 2H, 2W)."""
        batch, channels, height, width = x_BCHW.shape
        cells = functional.pad(x_BCHW[:, :, :, None, :, None], (0, 1, 0, 0, 0, 1))
        return cells.reshape(batch, channels, 2 * height, 2 * width)


class MaxPoolIndices(nn.Module):
    """2x2 max-pooling that tells where in its cell each maximum stood: 0, 1 above, 2, 3 below; the first of equals."""

    def forward(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Return the maxima (B, C, H/2, W/2), and their places, int32 of the same shape."""
        best = x_BCHW[..., ::2, ::2]
        place = torch.zeros_like(best, dtype=torch.int32)
        for number in (1, 2, 3):
            other = x_BCHW[..., number // 2 :: 2, number % 2 :: 2]
            place = torch.where(other > best, number, place)
            best = torch.where(other > best, other, best)
        return best, place


class MaxUnpool(nn.Module):
    """Each value at the place in its 2x2 cell where the maximum stood, zeros in the other three."""

    def forward(self, x_BCHW: Tensor, indices_BCHW: Tensor) -> Tensor:
        """Return (B, C, 2H, 2W); `indices_BCHW` are from `MaxPoolIndices`."""
        batch, channels, height, width = x_BCHW.shape
        places = torch.arange(4, dtype=torch.int32, device=x_BCHW.device).reshape(2, 1, 2)
        here = indices_BCHW[:, :, :, None, :, None] == places
        cells = torch.where(here, x_BCHW[:, :, :, None, :, None], 0.0)
        return cells.reshape(batch, channels, 2 * height, 2 * width)


class Upsampling(nn.Module):
    """Doubles height and width, and changes the number of channels where asked to.

    A transposed convolution changes the channels itself; before the others a 1x1 convolution does, at the coarse size.

    Attributes:
        needs_indices: True for max-unpooling, whose `forward` needs the places from `MaxPoolIndices`.
    """

    def __init__(self, name: str, channels: int, channels_out: int) -> None:
        super().__init__()
        if name not in UPSAMPLINGS:
            raise ValueError(f"expected an upsampling of {', '.join(UPSAMPLINGS)}; got {name!r}")
        self.needs_indices = name == "max_unpool"
        here = name == "transposed" or channels == channels_out
        self.narrow = nn.Identity() if here else nn.Conv2d(channels, channels_out, 1)
        self.up: nn.Module
        if name == "transposed":
            self.up = nn.ConvTranspose2d(channels, channels_out, 2, 2)
        elif name == "nearest":
            self.up = nn.Upsample(scale_factor=2.0, mode="nearest")
        elif name == "bilinear":
            self.up = nn.Upsample(scale_factor=2.0, mode="bilinear", align_corners=False)
        else:
            self.up = MaxUnpool() if self.needs_indices else BedOfNails()

    def forward(self, x_BCHW: Tensor, indices_BCHW: Tensor | None = None) -> Tensor:
        """Return (B, channels_out, 2H, 2W)."""
        x = self.narrow(x_BCHW)
        out: Tensor = self.up(x, indices_BCHW) if self.needs_indices else self.up(x)
        return out
