"""Networks beside the recurrent one: the same body with as many weights, with less of a memory or none.

Each takes what `RecurrentUNet.forward` takes, and gives log-probabilities (B, T, K, H, W) of every date, so that one
loop trains them all on the same chips. Where a date is not clear, what they say means nothing: see `score.probs_of`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.recurrent_unet import RecurrentUNet
from models.training.config import NetworkConfig
from models.training.themes import Theme


class PerDate(nn.Module):
    """The network on each date by itself: its memories begin anew at every date."""

    def __init__(self, config: NetworkConfig, theme: Theme) -> None:
        super().__init__()
        self.body = _body(config, theme, "class")

    def forward(self, x_BTCHW: Tensor, clear_BTHW: Tensor, day_BT: Tensor) -> Tensor:
        """Return the log-probabilities of every date."""
        batch, dates = day_BT.shape
        alone = (tensor.flatten(0, 1).unsqueeze(1) for tensor in (x_BTCHW, clear_BTHW, day_BT))
        logprobs: Tensor = self.body(*alone)
        return logprobs.reshape(batch, dates, *logprobs.shape[2:])


class TemporalMean(PerDate):
    """The same on the mean of all clear looks up to the date."""

    def forward(self, x_BTCHW: Tensor, clear_BTHW: Tensor, day_BT: Tensor) -> Tensor:
        """Return the log-probabilities of every date."""
        clear = clear_BTHW.unsqueeze(2)
        looks = clear.float().cumsum(1)
        mean = torch.where(clear, x_BTCHW, 0.0).cumsum(1) / looks.clamp(min=1)
        return super().forward(mean, looks.squeeze(2) > 0, day_BT)


class Pairs(PerDate):
    """The same on the first clear look and the current one, side by side as bands of one image."""

    def __init__(self, config: NetworkConfig, theme: Theme) -> None:
        nn.Module.__init__(self)
        self.body = _body(config, theme, "class", looks=2)

    def forward(self, x_BTCHW: Tensor, clear_BTHW: Tensor, day_BT: Tensor) -> Tensor:
        """Return the log-probabilities of every date."""
        return super().forward(torch.cat([first_look(x_BTCHW, clear_BTHW), x_BTCHW], 2), clear_BTHW, day_BT)


class NoDifference(RecurrentUNet):
    """All memories, but no difference between a look and the earlier ones at the input."""

    def _inputs(
        self, x_BCHW: Tensor, clear_B1HW: Tensor, day_B: Tensor, last_day_B1HW: Tensor, reference_BCHW: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        inputs, last_day, reference = super()._inputs(x_BCHW, clear_B1HW, day_B, last_day_B1HW, reference_BCHW)
        change = torch.zeros_like(inputs[:, self.bands : 2 * self.bands])
        blind = torch.cat([inputs[:, : self.bands], change, inputs[:, 2 * self.bands :]], 1)
        return blind, last_day, reference


class BottleneckOnly(NoDifference):
    """Recurrence at the bottleneck only, as ConvLSTM U-Nets have it: neither skips nor inputs remember anything."""

    def _clear_shares(self, clear_N1HW: Tensor) -> list[Tensor]:
        *finer, coarsest = super()._clear_shares(clear_N1HW)
        return [*(torch.zeros_like(share) for share in finer), coarsest]


class WiderView(RecurrentUNet):
    """The network with dilated convolutions over what it remembers at the coarsest level: 48 px more on each side."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.around = nn.Sequential(*(_Dilated(self.widths[-1], dilation) for dilation in (2, 4)))

    def _decode(self, levels: Sequence[Tensor]) -> Tensor:
        return super()._decode([*levels[:-1], self.around(levels[-1])])


class _Dilated(nn.Module):
    """A residual bottleneck with a dilated 3x3 (Yu & Koltun 2016); at first it changes nothing."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        inner = channels * 2 // 5
        self.narrow = nn.Conv2d(channels, inner, 1, bias=False)
        self.norm = nn.BatchNorm2d(inner)
        self.spread = nn.Conv2d(inner, inner, 3, padding=dilation, dilation=dilation)
        self.widen = nn.Conv2d(inner, channels, 1, bias=False)
        nn.init.zeros_(self.widen.weight)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        inner = functional.relu(self.norm(self.narrow(x_NCHW)))
        more: Tensor = self.widen(functional.relu(self.spread(inner)))
        return x_NCHW + more


def first_look(x_BTCHW: Tensor, clear_BTHW: Tensor) -> Tensor:
    """Return each pixel's first clear look as known at each date: at earlier dates, and there, the date's own."""
    first, seen, out = x_BTCHW[:, 0], clear_BTHW[:, :1], []
    for t in range(x_BTCHW.shape[1]):
        first = torch.where(seen, first, x_BTCHW[:, t])
        seen = seen | clear_BTHW[:, t : t + 1]
        out.append(first)
    return torch.stack(out, 1)


def _body(
    config: NetworkConfig, theme: Theme, head: str, *, looks: int = 1, kind: type[RecurrentUNet] = RecurrentUNet
) -> RecurrentUNet:
    return kind(
        mean=config.mean * looks, std=config.std * looks, classes=len(theme.classes), head=head,
        widths=config.widths, memory=config.memory,
    )  # fmt: skip


Build = Callable[[NetworkConfig, Theme], nn.Module]

RIVALS: dict[str, Build] = {
    "recurrent": lambda config, theme: _body(config, theme, theme.head),
    "recurrent, wider view": lambda config, theme: _body(config, theme, theme.head, kind=WiderView),
    "recurrent, class head": lambda config, theme: _body(config, theme, "class"),
    "recurrent, no difference": lambda config, theme: _body(config, theme, theme.head, kind=NoDifference),
    "bottleneck only": lambda config, theme: _body(config, theme, "class", kind=BottleneckOnly),
    "pairs (first, current)": Pairs,
    "temporal mean": TemporalMean,
    "per date": PerDate,
}
"""The network that is shipped, at the same budget as the others; then what it is compared with."""
