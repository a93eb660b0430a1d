"""The Recurrent U-Net: one encoder per date, a memory at every level, one decoder that reads memories only.

Causal and tile-exact: recurrence is pointwise in space (1x1 on the hidden state), so the receptive field does not
widen with the number of dates; normalisation is BatchNorm, constants in inference. A pixel that is not clear leaves
its memory untouched, bit for bit, and a value under the mask never enters any arithmetic.

Source: Ballas et al. 2016, "Delving deeper into convolutional networks for learning video representations" (ConvGRU);
Ronneberger et al. 2015, "U-Net"; Tutz & Schmid 2016, "Modeling discrete time-to-event data" (the hazard head).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models.heads import HEADS

NEVER = -1e6
"""Day of the last clear look at a pixel that was never seen; far before any satellite."""

DAYS_PER_YEAR = 365.2425
CLOCK_CHANNELS = 4
"""Clear flag, sine and cosine of the day of year, time since the last clear look."""

INPUT_LIMIT = 6.0
"""Normalised reflectance is clamped to this: a missed cloud must not drive the network out of what it knows."""

State = tuple[Tensor, ...]
"""(last_day_B1HW, head's memory, memory of level 0, 1, ...): all float32."""


def _by_series(x_N: Tensor, batch: int) -> Tensor:
    """Split the leading axis, series by series, into (B, T)."""
    return x_N.reshape(batch, -1, *x_N.shape[1:])


class ConvNormRelu(nn.Module):
    """3x3 convolution, BatchNorm, ReLU; `fold` melts the norm into the convolution for inference."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv: nn.Module = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(channels_out)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return features (N, C', H, W)."""
        return functional.relu(self.norm(self.conv(x_NCHW)))

    def fold(self) -> None:
        """Melt the norm into the convolution, for good."""
        if isinstance(self.conv, nn.Conv2d) and isinstance(self.norm, nn.BatchNorm2d):
            self.conv, self.norm = fuse_conv_bn_eval(self.conv.eval(), self.norm.eval()), nn.Identity()


class PointwiseGru(nn.Module):
    """A gated recurrent unit per pixel, whose update is weighted by the share of the pixel that was clear."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.from_memory = nn.Conv2d(channels, 3 * channels, 1, bias=False)

    def forward(self, gates_BGHW: Tensor, clear_B1HW: Tensor, memory_BCHW: Tensor) -> Tensor:
        """Return the memory after one date.

        Args:
            gates_BGHW: what the date says to the three gates, G = 3 C.
            clear_B1HW: share of the pixel that was clear, 0..1; where 0 the memory stays bit for bit.
            memory_BCHW: memory before the date.
        """
        update_x, reset_x, fresh_x = gates_BGHW.chunk(3, dim=1)
        update_h, reset_h, fresh_h = self.from_memory(memory_BCHW).chunk(3, dim=1)
        update = torch.sigmoid(update_x + update_h) * clear_B1HW
        fresh = torch.tanh(fresh_x + torch.sigmoid(reset_x + reset_h) * fresh_h)
        memory = memory_BCHW + update * (fresh - memory_BCHW)
        return torch.where(clear_B1HW > 0, memory, memory_BCHW)


class RecurrentUNet(nn.Module):
    """N dates in, N maps out; the state after a date is all that the next date needs.

    Args:
        mean, std: per band, in reflectance; the input is normalised with them in the network.
        classes: number of classes K.
        head: `class` (class per date) or `hazard` (a change that never goes back).
        widths: channels per level, finest first; the stride is 2 ** (levels - 1).
    """

    def __init__(
        self, *, mean: Sequence[float], std: Sequence[float], classes: int = 2, head: str = "class",
        widths: Sequence[int] = (16, 32, 48, 64),
    ) -> None:  # fmt: skip
        super().__init__()
        self.architecture = {"classes": classes, "head": head, "widths": list(widths)}
        self.mean_C11: Tensor
        self.std_C11: Tensor
        self.register_buffer("mean_C11", torch.tensor(mean).reshape(-1, 1, 1))
        self.register_buffer("std_C11", torch.tensor(std).reshape(-1, 1, 1))
        self.bands, self.widths, self.stride_px = len(mean), tuple(widths), 2 ** (len(widths) - 1)
        inputs = [self.bands + CLOCK_CHANNELS, *widths[:-1]]
        self.encoder = nn.ModuleList(
            nn.Sequential(ConvNormRelu(i, w), ConvNormRelu(w, w)) for i, w in zip(inputs, widths, strict=True)
        )
        self.to_gates = nn.ModuleList(nn.Conv2d(w, 3 * w, 1) for w in widths)
        self.memory = nn.ModuleList(PointwiseGru(w) for w in widths)
        self.upward = nn.ModuleList(nn.Conv2d(deep, w, 1) for w, deep in itertools.pairwise(widths))
        self.decoder = nn.ModuleList(ConvNormRelu(w, w) for w in widths[:-1])
        self.head = HEADS[head](classes)
        self.to_logits = nn.Conv2d(widths[0], self.head.logits, 1)

    def start(self, batch: int, height: int, width: int, device: torch.device | str = "cpu") -> State:
        """Return the state before the first date; height and width are multiples of the stride."""
        last_day = torch.full((batch, 1, height, width), NEVER, device=device)
        head = torch.zeros((batch, self.head.memory, height, width), device=device)
        shapes = [(batch, w, height >> level, width >> level) for level, w in enumerate(self.widths)]
        return (last_day, head, *(torch.zeros(shape, device=device) for shape in shapes))

    def step(self, x_BCHW: Tensor, clear_BHW: Tensor, day_B: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Take one date in.

        Args:
            x_BCHW: reflectance, float32, 0..1; anything where not clear, NaN too.
            clear_BHW: bool, True = usable pixel.
            day_B: days since 1970-01-01, float32.
            state: from `start` or the last step.

        Returns:
            Probabilities (B, K, H, W) float32, NaN where no date was clear yet; then the new state.
        """
        last_day, head, *memories = state
        clear = clear_BHW.unsqueeze(1)
        gates = self._encode(self._inputs(x_BCHW, clear, day_B, last_day))
        shares = self._clear_shares(clear)
        memories = [gru(g, c, h) for gru, g, c, h in zip(self.memory, gates, shares, memories, strict=True)]
        logprobs, head = self.head(self._decode(memories).float(), clear, head)
        last_day = torch.where(clear, day_B.reshape(-1, 1, 1, 1), last_day)
        probs = torch.where(last_day > NEVER, logprobs.exp(), math.nan)
        return (probs, last_day, head, *memories)

    def forward(self, x_BTCHW: Tensor, clear_BTHW: Tensor, day_BT: Tensor) -> Tensor:
        """Take all dates in at once; only the memories' 1x1 runs date by date.

        Returns:
            Log-probabilities (B, T, K, H, W), finite everywhere; mean nothing where no date was clear yet.
        """
        batch, dates, _, height, width = x_BTCHW.shape
        last_day, head, *memories = self.start(batch, height, width, x_BTCHW.device)
        clear_BT1HW, inputs = clear_BTHW.unsqueeze(2), []
        for t in range(dates):
            inputs.append(self._inputs(x_BTCHW[:, t], clear_BT1HW[:, t], day_BT[:, t], last_day))
            last_day = torch.where(clear_BT1HW[:, t], day_BT[:, t].reshape(-1, 1, 1, 1), last_day)
        gates = self._encode(torch.stack(inputs, 1).flatten(0, 1))
        shares = self._clear_shares(clear_BT1HW.flatten(0, 1))
        remembered = []
        for gru, gate, share, memory in zip(self.memory, gates, shares, memories, strict=True):
            gate_BT, share_BT, seen = _by_series(gate, batch), _by_series(share, batch), []
            for t in range(dates):
                memory = gru(gate_BT[:, t], share_BT[:, t], memory)  # noqa: PLW2901 - one memory, carried over dates
                seen.append(memory)
            remembered.append(torch.stack(seen, 1).flatten(0, 1))
        logits_BT = _by_series(self._decode(remembered).float(), batch)
        logprobs = []
        for t in range(dates):
            now, head = self.head(logits_BT[:, t], clear_BT1HW[:, t], head)
            logprobs.append(now)
        return torch.stack(logprobs, 1)

    def fold(self) -> None:
        """Melt every norm into its convolution, for inference; the network cannot be trained afterwards."""
        self.eval()
        for module in self.modules():
            if isinstance(module, ConvNormRelu):
                module.fold()

    def _inputs(self, x_BCHW: Tensor, clear_B1HW: Tensor, day_B: Tensor, last_day_B1HW: Tensor) -> Tensor:
        """Join normalised bands, zero where not clear, and the clock; where() first, so that NaN never enters."""
        x = torch.where(clear_B1HW, x_BCHW, self.mean_C11)
        x = ((x - self.mean_C11) / self.std_C11).clamp(-INPUT_LIMIT, INPUT_LIMIT)
        day = day_B.reshape(-1, 1, 1, 1)
        angle = (day - torch.floor(day / DAYS_PER_YEAR) * DAYS_PER_YEAR) * (2 * math.pi / DAYS_PER_YEAR)
        gap = torch.log1p((day - last_day_B1HW).clamp(min=0)) / math.log1p(DAYS_PER_YEAR)
        gap = torch.where(last_day_B1HW > NEVER, gap, 0.0)
        flag = clear_B1HW.float()
        return torch.cat([x, flag, angle.sin().expand_as(flag), angle.cos().expand_as(flag), gap], dim=1)

    def _clear_shares(self, clear_N1HW: Tensor) -> list[Tensor]:
        """Share of clear pixels under each pixel of every level, 0..1."""
        shares = [clear_N1HW.float()]
        for _ in self.widths[1:]:
            shares.append(functional.avg_pool2d(shares[-1], 2))
        return shares

    def _encode(self, inputs_NCHW: Tensor) -> list[Tensor]:
        """Return what each level's memory is told about a date."""
        gates, features = [], inputs_NCHW
        for level, (block, to_gates) in enumerate(zip(self.encoder, self.to_gates, strict=True)):
            features = block(features if level == 0 else functional.max_pool2d(features, 2))
            gates.append(to_gates(features))
        return gates

    def _decode(self, memories: Sequence[Tensor]) -> Tensor:
        """Return logits from the memories of all levels, coarsest last."""
        features = memories[-1]
        for upward, block, memory in zip(
            reversed(self.upward), reversed(self.decoder), reversed(memories[:-1]), strict=True
        ):
            features = functional.interpolate(upward(features), scale_factor=2.0, mode="nearest")
            features = block(features + memory)
        logits: Tensor = self.to_logits(features)
        return logits
