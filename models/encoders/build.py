"""Encoders by name."""

from __future__ import annotations

from models.encoders.encoder import Encoder
from models.encoders.mobilenet import MobileNetV2
from models.encoders.resnet import BasicBlock, Bottleneck, ResNet
from models.encoders.vgg import VGG16

RESNETS: dict[str, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, ...]]] = {
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet34": (BasicBlock, (3, 4, 6, 3)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
}
VGGS = {"vgg16": False, "vgg16_bn": True}
ENCODERS = (*RESNETS, *VGGS, "mobilenet_v2")


def build_encoder(name: str, bands: int, *, width: float = 1.0, dilated: bool = False) -> Encoder:
    """Build an encoder, randomly initialised.

    Args:
        name: one of `ENCODERS`.
        bands: channels of the input.
        width: multiplies all channels; 1 = the paper's, which fits torchvision's weights.
        dilated: largest stride 8; ResNets only.

    Raises:
        ValueError: the name is unknown, the encoder cannot be dilated, or `bands` or `width` is not positive.
    """
    if name not in ENCODERS:
        raise ValueError(f"expected an encoder of {', '.join(ENCODERS)}; got {name!r}")
    if bands < 1 or width <= 0:
        raise ValueError(f"an encoder needs at least 1 band and a width above 0; got {bands} and {width:g}")
    if name in RESNETS:
        block, depths = RESNETS[name]
        return ResNet(block, depths, bands, width=width, dilated=dilated)
    if dilated:
        raise ValueError(f"only {', '.join(RESNETS)} can be dilated; got {name!r}")
    if name in VGGS:
        return VGG16(bands, norm=VGGS[name], width=width)
    return MobileNetV2(bands, width=width)
