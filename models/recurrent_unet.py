"""The Recurrent U-Net: one encoder per date, a memory at every level, one decoder that reads memories and the date.

Causal and tile-exact: recurrence is pointwise in space (1x1 on the hidden state), so the receptive field does not
widen with the number of dates; normalisation is BatchNorm, constants in inference. A pixel that is not clear leaves
its memory untouched, bit for bit, and a value under the mask never enters any arithmetic. The encoder sees, beside the
bands, how they differ from a running mean of the pixel's earlier clear looks, so that a change is sharp to the pixel.

Source: Ballas et al. 2016, "Delving deeper into convolutional networks for learning video representations" (ConvGRU);
Ravanelli et al. 2018, "Light gated recurrent units for speech recognition" (no reset gate);
Ronneberger et al. 2015, "U-Net".
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models.heads import HEADS

NEVER = -1e6
"""Day of the last clear look at a pixel that was never seen, far before any satellite. With `unseen_clock` the day on
which the series began is added to it."""

DAYS_PER_YEAR = 365.2425
CLOCK_CHANNELS = 4
"""Clear flag, sine and cosine of the day of year, time since the last clear look."""

REFRESH = 0.5
"""Share of a clear look that goes into a pixel's reference, with which the next look is compared."""

INPUT_LIMIT = 6.0
"""Normalised reflectance is clamped to this: a missed cloud must not drive the network out of what it knows."""

State = tuple[Tensor, ...]
"""(last_day_B1HW, reference_BCHW, head's memory, memory of level 0, 1, ...): all float32."""


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
    """A light gated recurrent unit per pixel, whose update is weighted by the share of the pixel that was clear.

    What the date says to update and candidate is computed outside, for all dates at once.
    There is no reset gate: at full resolution it would cost more time than it is worth.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.update = nn.Conv2d(channels, channels, 1, bias=False)
        self.candidate = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, update_BCHW: Tensor, candidate_BCHW: Tensor, clear_B1HW: Tensor, memory_BCHW: Tensor) -> Tensor:
        """Return the memory after one date.

        Args:
            update_BCHW: what the date says to the update gate.
            candidate_BCHW: what the date says to the candidate.
            clear_B1HW: share of the pixel that was clear, 0..1. Where it is 0 the memory stays bit for bit: all
                terms are finite, since nothing under the mask enters the network, and 0 is added.
            memory_BCHW: memory before the date.
        """
        update = torch.sigmoid(update_BCHW + self.update(memory_BCHW)) * clear_B1HW
        candidate = torch.tanh(candidate_BCHW + self.candidate(memory_BCHW))
        return memory_BCHW + update * (candidate - memory_BCHW)


class RecurrentUNet(nn.Module):
    """N dates in, N maps out; the state after a date is all that the next date needs.

    Args:
        mean, std: per band, in reflectance; the input is normalised with them in the network.
        classes: number of classes K.
        head: `class` (class per date) or `filter` (a change that never goes back); see `models.heads`.
        widths: channels per level, finest first; the stride is 2 ** (levels - 1).
        memory: channels that each level remembers; the finest is what a window's memory costs.
        unseen_clock: at the first clear look at a pixel, how long the series had gone on by then is told, as a negative
            time since the last look: the longer nobody looked, the more may have changed before.
    """

    def __init__(
        self, *, mean: Sequence[float], std: Sequence[float], classes: int = 2, head: str = "class",
        widths: Sequence[int] = (16, 32, 48, 64), memory: Sequence[int] = (8, 32, 48, 64),
        unseen_clock: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.architecture: dict[str, Any] = {"classes": classes, "head": head, "widths": [*widths], "memory": [*memory]}
        if unseen_clock:
            self.architecture["unseen_clock"] = True
        self._unseen_clock = unseen_clock
        self.mean_C11: Tensor
        self.std_C11: Tensor
        self.register_buffer("mean_C11", torch.tensor(mean).reshape(-1, 1, 1))
        self.register_buffer("std_C11", torch.tensor(std).reshape(-1, 1, 1))
        self.bands, self.widths, self.memory_widths = len(mean), tuple(widths), tuple(memory)
        self.stride_px = 2 ** (len(widths) - 1)
        inputs = [2 * self.bands + CLOCK_CHANNELS, *widths[:-1]]
        self.encoder = nn.ModuleList(
            nn.Sequential(ConvNormRelu(i, w), ConvNormRelu(w, w)) for i, w in zip(inputs, widths, strict=True)
        )
        levels = list(zip(widths, memory, strict=True))
        self.to_update = nn.ModuleList(nn.Conv2d(w, m, 1) for w, m in levels)
        self.to_candidate = nn.ModuleList(nn.Conv2d(w, m, 1) for w, m in levels)
        self.memory = nn.ModuleList(PointwiseGru(m) for m in memory)
        self.across = nn.ModuleList(nn.Conv2d(m, w, 1, bias=False) for w, m in levels)
        self.present = nn.ModuleList(nn.Conv2d(w, w, 1, bias=False) for w in widths)
        self.upward = nn.ModuleList(nn.Conv2d(deep, w, 1) for w, deep in itertools.pairwise(widths))
        self.decoder = nn.ModuleList(ConvNormRelu(w, w) for w in widths[:-1])
        self.head = HEADS[head](classes)
        self.lasting = self.head.lasting
        self.to_logits = nn.Conv2d(widths[0], self.head.logits, 1)

    def start(self, batch: int, height: int, width: int, device: torch.device | str = "cpu") -> State:
        """Return the state before the first date; height and width are multiples of the stride."""
        last_day = torch.full((batch, 1, height, width), NEVER, device=device)
        reference = torch.zeros((batch, self.bands, height, width), device=device)
        head = torch.zeros((batch, self.head.memory, height, width), device=device)
        shapes = [(batch, w, height >> level, width >> level) for level, w in enumerate(self.memory_widths)]
        return (last_day, reference, head, *(torch.zeros(shape, device=device) for shape in shapes))

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
        last_day, reference, head, *memories = state
        clear = clear_BHW.unsqueeze(1)
        features, last_day, reference = self._inputs(x_BCHW, clear, day_B, last_day, reference)
        shares, seen = self._clear_shares(clear), []
        for level, gru in enumerate(self.memory):  # level by level, so that little is held at once
            features = self._down(level, features)
            memories[level] = gru(*self._told(level, features), shares[level], memories[level])
            seen.append(self.across[level](memories[level]) + self.present[level](features))
        logprobs, head = self.head(self._decode(seen).float(), clear, head)
        probs = torch.where(self._seen(last_day), logprobs.exp(), math.nan)
        return (probs, last_day, reference, head, *memories)

    def forward(self, x_BTCHW: Tensor, clear_BTHW: Tensor, day_BT: Tensor) -> Tensor:
        """Take all dates in at once; only the memories' 1x1 runs date by date.

        Returns:
            Log-probabilities (B, T, K, H, W), finite everywhere; mean nothing where no date was clear yet.
        """
        batch, _, _, height, width = x_BTCHW.shape
        last_day, reference, head, *memories = self.start(batch, height, width, x_BTCHW.device)
        clears, inputs = clear_BTHW.unsqueeze(2).unbind(1), []
        for x_BCHW, clear_B1HW, day_B in zip(x_BTCHW.unbind(1), clears, day_BT.unbind(1), strict=True):
            now, last_day, reference = self._inputs(x_BCHW, clear_B1HW, day_B, last_day, reference)
            inputs.append(now)
        # Date after date along the first axis: to cut that into dates, and to join them, moves no pixel.
        shares, features, remembered = self._clear_shares(torch.cat(clears)), torch.cat(inputs), []
        for level, gru in enumerate(self.memory):
            features = self._down(level, features)
            told = (torch.split(x, batch) for x in (*self._told(level, features), shares[level]))
            seen = [memories[level]]
            for update_BCHW, candidate_BCHW, share_B1HW in zip(*told, strict=True):
                seen.append(gru(update_BCHW, candidate_BCHW, share_B1HW, seen[-1]))
            remembered.append(self.across[level](torch.cat(seen[1:])) + self.present[level](features))
        logits, logprobs = torch.split(self._decode(remembered).float(), batch), []
        for logits_BKHW, clear_B1HW in zip(logits, clears, strict=True):
            now, head = self.head(logits_BKHW, clear_B1HW, head)
            logprobs.append(now)
        return torch.stack(logprobs, 1)

    def fold(self) -> None:
        """Melt every norm into its convolution, for inference; the network cannot be trained afterwards."""
        self.eval()
        for module in self.modules():
            if isinstance(module, ConvNormRelu):
                module.fold()

    def _inputs(
        self, x_BCHW: Tensor, clear_B1HW: Tensor, day_B: Tensor, last_day_B1HW: Tensor, reference_BCHW: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Join normalised bands, what changed in them, and the clock; where() first, so that NaN never enters.

        Returns:
            The encoder's input, zero where not clear but for the clock; then last day and reference with this date.
        """
        x = torch.where(clear_B1HW, x_BCHW, self.mean_C11)
        x = ((x - self.mean_C11) / self.std_C11).clamp(-INPUT_LIMIT, INPUT_LIMIT)
        day, seen = day_B.reshape(-1, 1, 1, 1), self._seen(last_day_B1HW)
        change = torch.where(clear_B1HW & seen, x - reference_BCHW, 0.0)
        reference = torch.where(clear_B1HW, torch.where(seen, reference_BCHW + REFRESH * change, x), reference_BCHW)
        angle = (day - torch.floor(day / DAYS_PER_YEAR) * DAYS_PER_YEAR) * (2 * math.pi / DAYS_PER_YEAR)
        if self._unseen_clock:
            last_day_B1HW = torch.where(last_day_B1HW == NEVER, NEVER + day, last_day_B1HW)
            gap = torch.where(seen, _log_years(day - last_day_B1HW), -_log_years(day - (last_day_B1HW - NEVER)))
        else:
            gap = torch.where(seen, _log_years(day - last_day_B1HW), 0.0)
        flag = clear_B1HW.float()
        inputs = torch.cat([x, change, flag, angle.sin().expand_as(flag), angle.cos().expand_as(flag), gap], dim=1)
        return inputs, torch.where(clear_B1HW, day, last_day_B1HW), reference

    def _seen(self, last_day_B1HW: Tensor) -> Tensor:
        """Tell which pixels have had a clear look: with `unseen_clock` the others hold NEVER plus a day."""
        return last_day_B1HW > NEVER / 2

    def _clear_shares(self, clear_N1HW: Tensor) -> list[Tensor]:
        """Share of clear pixels under each pixel of every level, 0..1."""
        shares = [clear_N1HW.float()]
        for _ in self.widths[1:]:
            shares.append(functional.avg_pool2d(shares[-1], 2))
        return shares

    def _down(self, level: int, features_NCHW: Tensor) -> Tensor:
        """Return the features of a level, from the inputs or from the level above."""
        features: Tensor = self.encoder[level](features_NCHW if level == 0 else functional.max_pool2d(features_NCHW, 2))
        return features

    def _told(self, level: int, features_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Return what a level's memory is told about a date: to its update, and to its candidate."""
        return self.to_update[level](features_NCHW), self.to_candidate[level](features_NCHW)

    def _decode(self, levels: Sequence[Tensor]) -> Tensor:
        """Return logits from what all levels give the decoder (memory and present date), coarsest last."""
        features = levels[-1]
        for level in reversed(range(len(self.decoder))):
            coarse = functional.interpolate(self.upward[level](features), scale_factor=2.0, mode="nearest")
            features = self.decoder[level](coarse + levels[level])
        logits: Tensor = self.to_logits(features)
        return logits


def _log_years(days: Tensor) -> Tensor:
    """Return a time on a scale on which a year is 1 and the first days count most."""
    return torch.log1p(days.clamp(min=0)) / math.log1p(DAYS_PER_YEAR)
