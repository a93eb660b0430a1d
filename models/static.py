"""Networks that read one date: what they share, and how they walk a series of dates as a recurrent network does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from models.folding import fold_norms
from models.recurrent_unet import INPUT_LIMIT

State = tuple[Tensor, ...]
"""(probs_BKHW,): probabilities of each pixel's last clear look, float32, NaN before any."""


class StaticNet(nn.Module):
    """Reflectance of one date in, logits out. Plain weights: no memory, no clock.

    Args:
        mean, std: per band, in reflectance; the input is normalised with them in the network.

    Attributes:
        architecture: keyword arguments of the constructor but for mean and std.
        bands: channels of the input.
        stride_px: height and width of the input are multiples of this.
    """

    architecture: dict[str, Any]
    stride_px: int

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.mean_C11: Tensor
        self.std_C11: Tensor
        self.register_buffer("mean_C11", torch.tensor(mean).reshape(-1, 1, 1))
        self.register_buffer("std_C11", torch.tensor(std).reshape(-1, 1, 1))
        self.bands = len(mean)

    @property
    def classes(self) -> int:
        """Number of classes K."""
        return int(self.architecture["classes"])

    def normalised(self, x_BCHW: Tensor) -> Tensor:
        """Return the input in units of its spread, clamped as the recurrent network does; the mean becomes 0."""
        return ((x_BCHW - self.mean_C11) / self.std_C11).clamp(-INPUT_LIMIT, INPUT_LIMIT)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return logits (B, K, H, W) at the input's size."""
        raise NotImplementedError

    def outputs(self, x_BCHW: Tensor) -> list[tuple[float, Tensor]]:
        """Return what a loss is taken of, as (weight, logits_BKHW): the main output first, with weight 1."""
        return [(1.0, self(x_BCHW))]


class StaticStep(nn.Module):
    """A static network in a series: the contract of `RecurrentUNet.start` and `step`.

    A pixel that is not clear repeats its last look, bit for bit; what stands under the mask never enters the network.
    """

    lasting = False

    def __init__(self, net: StaticNet) -> None:
        super().__init__()
        self.net = net
        self.bands, self.stride_px = net.bands, net.stride_px

    def start(self, batch: int, height: int, width: int, device: torch.device | str = "cpu") -> State:
        """Return the state before the first date; height and width are multiples of the stride."""
        return (torch.full((batch, self.net.classes, height, width), math.nan, device=device),)

    def step(self, x_BCHW: Tensor, clear_BHW: Tensor, day_B: Tensor, *state: Tensor) -> tuple[Tensor, ...]:  # noqa: ARG002
        """Take one date in; see `RecurrentUNet.step`. The day does not matter."""
        clear = clear_BHW.unsqueeze(1)
        logits = self.net(torch.where(clear, x_BCHW, self.net.mean_C11))
        probs = torch.where(clear, logits.float().softmax(dim=1), state[0])
        return probs, probs

    def fold(self) -> None:
        """Melt every norm into its convolution, for inference; the network cannot be trained afterwards."""
        fold_norms(self)
