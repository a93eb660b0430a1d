"""Every static network, tiny and seeded, and a card for each."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.card import Card
from models.checkpoint import save_checkpoint
from models.fcn import FCN
from models.networks import FAMILIES
from models.pspnet import PSPNet
from models.segnet import SegNet
from models.static import StaticNet
from models.tiling import Tiling, choose_tiling
from models.training.themes import single_date
from models.unet import UNet
from tests.geo.scenes import landscape
from tests.models.nets import MEAN, STD, shake_norms

WIDTH = 1 / 8
HIDDEN = 256  # of fc6 and fc7: 4096 would weigh more than all other layers

NETS: dict[str, Callable[..., StaticNet]] = {
    "fcn-32s-vgg16": functools.partial(FCN, encoder="vgg16", finest=32, hidden=HIDDEN),
    "fcn-16s-vgg16_bn": functools.partial(FCN, encoder="vgg16_bn", finest=16, hidden=HIDDEN),
    "fcn-8s-resnet18": functools.partial(FCN, encoder="resnet18", finest=8),
    "pspnet-resnet18": functools.partial(PSPNet, encoder="resnet18"),
    "pspnet-resnet50": functools.partial(PSPNet, encoder="resnet50"),
    "unet-vgg16_bn": functools.partial(UNet, encoder="vgg16_bn"),
    "unet-resnet34": functools.partial(UNet, encoder="resnet34"),
    "unet-mobilenet_v2": functools.partial(UNet, encoder="mobilenet_v2"),
    "segnet": SegNet,
    "segnet-bayesian": functools.partial(SegNet, bayesian=True),
}

RADII = {"fcn-16s-vgg16_bn": 241, "unet-vgg16_bn": 135, "segnet": 211}
"""Of those that tile exactly."""


def make_static(name: str, *, seed: int = 0, **changes: Any) -> StaticNet:
    """A fresh network whose norms have statistics of their own, and whose skips have a say; in eval mode."""
    torch.manual_seed(seed)
    net = NETS[name](**({"mean": MEAN, "std": STD, "width": WIDTH} | changes))
    shake_norms(net)
    for parameter in net.parameters():
        if parameter.requires_grad and not bool(parameter.any()):
            torch.nn.init.normal_(parameter, std=0.1)
    return net.eval()


def static_card(name: str, net: StaticNet, tiling: Tiling) -> Card:
    """A card that fits `net`."""
    about = single_date("burned-area")
    family = next(family for family, kind in FAMILIES.items() if type(net) is kind)
    return Card(
        name=name.replace("_", "-"), version=1, family=family, title=name, description=name,
        bands=("blue", "green", "red", "nir"), classes=about.classes, change=about.change, mean=MEAN, std=STD,
        stride_px=tiling.stride_px, radius_px=tiling.radius_px, tiling=tiling.tiling, tile_px=tiling.tile_px,
        res_m=(1, 30), architecture=net.architecture, training={}, scores={}, hashes={},
    )  # fmt: skip


def balance(net: StaticNet, x_BCHW: Tensor) -> None:
    """Shift the last bias so that both classes have half of an image's pixels."""
    module = net.score[0] if isinstance(net, FCN) else net.head[-1] if isinstance(net, PSPNet) else net.to_logits
    assert isinstance(module, torch.nn.Conv2d)
    assert module.bias is not None
    with torch.no_grad():
        logits = net(x_BCHW)
        module.bias[1] -= (logits[:, 1] - logits[:, 0]).median()


def save_static(folder: Path, name: str, *, tile_px: int) -> Card:
    """Save a balanced network of two classes as a checkpoint."""
    net = make_static(name)
    balance(net, torch.from_numpy(landscape(64, 96, 0)[None] * np.float32(1e-4)))
    return save_checkpoint(folder, net, static_card(name, net, choose_tiling(net, tile_px=tile_px)))
