"""Small seeded networks and inputs that the tests of this folder share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.card import Card
from models.networks import Stepping
from models.recurrent_unet import RecurrentUNet
from models.training.themes import THEMES

MEAN, STD = (0.06, 0.085, 0.10, 0.25), (0.04, 0.045, 0.06, 0.10)
HEADS = ("class", "filter", "filter, unseen clock")
RADIUS_PX, STRIDE_PX = 44, 8


@dataclass(frozen=True)
class Looks:
    """A random series: x_BTCHW, clear_BTHW, day_BT."""

    x: Tensor
    clear: Tensor
    day: Tensor


def shake_norms(net: torch.nn.Module) -> None:
    """Give every norm statistics and weights of its own, so that folding one wrongly shows."""
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.3, 0.3)
            module.running_mean = torch.randn(module.num_features) * 0.2
            module.running_var = torch.rand(module.num_features) + 0.5


def make_net(head: str, seed: int = 0) -> RecurrentUNet:
    """A fresh network of the shipped size whose norms have statistics of their own, in eval mode; one of `HEADS`."""
    torch.manual_seed(seed)
    name, *clock = head.split(", ")
    net = RecurrentUNet(mean=MEAN, std=STD, head=name, unseen_clock=bool(clock))
    shake_norms(net)
    return net.eval()


def make_looks(dates: int, height: int, width: int, *, batch: int = 1, seed: int = 0, cloud: float = 0.4) -> Looks:
    """Random reflectance; clouds as blocks of 4 px and single pixels."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 0.5, (batch, dates, 4, height, width)).astype(np.float32)
    coarse = rng.uniform(size=(batch, dates, -(-height // 4), -(-width // 4))) > cloud
    clear: NDArray[np.bool_] = coarse.repeat(4, 2).repeat(4, 3)[..., :height, :width] & (
        rng.uniform(size=x[:, :, 0].shape) > 0.05
    )
    day = 18000 + np.cumsum(rng.integers(1, 40, (batch, dates)), axis=1)
    return Looks(torch.from_numpy(x), torch.from_numpy(clear), torch.from_numpy(day.astype(np.float32)))


def make_card(net: RecurrentUNet, theme: str = "burned-area") -> Card:
    """A card that fits `net`."""
    about = THEMES[theme]
    return Card(
        name=theme, version=1, family="recurrent_unet", title=about.title, description=about.description,
        bands=("blue", "green", "red", "nir"), classes=about.classes, change=about.change, mean=MEAN, std=STD,
        stride_px=STRIDE_PX, radius_px=RADIUS_PX, tiling="exact", res_m=(3, 30), architecture=net.architecture,
        training={}, scores={}, hashes={},
    )  # fmt: skip


@torch.no_grad()
def stepped(net: Stepping, looks: Looks) -> Tensor:
    """Probabilities of all dates, date by date: (B, T, K, H, W), NaN where never clear."""
    batch, dates, _, height, width = looks.x.shape
    state: tuple[Tensor, ...] = net.start(batch, height, width)
    probs = []
    for t in range(dates):
        now, *after = net.step(looks.x[:, t], looks.clear[:, t], looks.day[:, t], *state)
        state = tuple(after)
        probs.append(now)
    return torch.stack(probs, 1)
