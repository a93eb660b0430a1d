"""Tables of a configuration that static networks have: network, legend, loss, adversary. No torch here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict

from models.card import MASK_NODATA
from models.training.refusing import require

STATIC_FAMILIES = ("fcn", "pspnet", "unet", "segnet", "mask_rcnn")
FORBID = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class StaticNetworkConfig:
    """A network that reads one date.

    Attributes:
        family: its module in `models`.
        mean, std: per band, in reflectance.
        encoder_weights: file of ImageNet weights for the encoder (`models.encoders.weights`); empty = fresh ones.
        options: further keyword arguments of the family's constructor, written in the same table: encoder, width, ...
    """

    __pydantic_config__: ClassVar[ConfigDict] = FORBID

    family: Literal["fcn", "pspnet", "unet", "segnet", "mask_rcnn"]
    mean: tuple[float, ...] = (0.06, 0.085, 0.10, 0.25)
    std: tuple[float, ...] = (0.04, 0.045, 0.06, 0.10)
    encoder_weights: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        both = (self.mean, self.std)
        require(len(self.mean) == len(self.std) >= 1, "network.mean, std", "one value each per band", both)
        require(min(self.std) > 0, "network.std", "values above 0", self.std)
        require("classes" not in self.options, "network.classes", "nothing: the legend gives the classes", "classes")


@dataclass(frozen=True)
class LegendConfig:
    """A legend of one's own, where `theme` is not what the data are about.

    Attributes:
        title, description: for the card.
        classes: names, the first is class 0.
        colors: `#rrggbb`, one per class; empty = colours that differ.
        change: names of the classes before and after the change that is followed.
    """

    __pydantic_config__: ClassVar[ConfigDict] = FORBID

    title: str
    classes: tuple[str, ...]
    description: str = ""
    colors: tuple[str, ...] = ()
    change: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        count = len(self.classes)
        require(
            2 <= count < MASK_NODATA and len(set(self.classes)) == count,
            "legend.classes", "two or more names that differ", self.classes,
        )  # fmt: skip
        good = all(re.fullmatch("#[0-9a-f]{6}", color) for color in self.colors)
        require(good and len(self.colors) in (0, count), "legend.colors", "one #rrggbb per class", self.colors)
        require(
            self.change is None or set(self.change) <= set(self.classes),
            "legend.change", "[class before, class after]", self.change,
        )  # fmt: skip


@dataclass(frozen=True)
class LossConfig:
    """A weighted sum of losses (`models.training.losses`); 0 leaves one out.

    Attributes:
        cross_entropy, dice, focal, lovasz: weights.
        focal_gamma: of the focal loss.
        class_weights: of cross-entropy and focal loss: `equal`, or `median-frequency` over the training labels.
    """

    __pydantic_config__: ClassVar[ConfigDict] = FORBID

    cross_entropy: float = 1.0
    dice: float = 0.5
    focal: float = 0.0
    lovasz: float = 0.0
    focal_gamma: float = 2.0
    class_weights: Literal["equal", "median-frequency"] = "equal"

    def __post_init__(self) -> None:
        weights = (self.cross_entropy, self.dice, self.focal, self.lovasz)
        require(min(weights) >= 0 and max(weights) > 0, "loss", "weights of 0 or more, one above 0", weights)

    @property
    def terms(self) -> dict[str, float]:
        """Weights above 0 by the name of the loss."""
        every = {"cross_entropy": self.cross_entropy, "dice": self.dice, "focal": self.focal, "lovasz": self.lovasz}
        return {name: weight for name, weight in every.items() if weight > 0}


@dataclass(frozen=True)
class AdversarialConfig:
    """Adversarial training (Luc et al. 2016).

    Attributes:
        reads: what the discriminator is shown: `basic`, `product` or `scaling` (`models.adversarial`).
        weight: lambda, of the adversarial term beside the segmentation loss.
        rate: the discriminator's learning rate.
        widths: the discriminator's channels per level.
        from_step: first step with an adversarial term; the discriminator learns from the start.
    """

    __pydantic_config__: ClassVar[ConfigDict] = FORBID

    reads: Literal["basic", "product", "scaling"] = "scaling"
    weight: float = 0.1
    rate: float = 1e-3
    widths: tuple[int, ...] = (16, 32, 64)
    from_step: int = 0

    def __post_init__(self) -> None:
        require(self.weight > 0, "adversarial.weight", "more than 0 (leave the table out for none)", self.weight)
        require(self.rate > 0, "adversarial.rate", "more than 0", self.rate)
        require(bool(self.widths) and min(self.widths) >= 1, "adversarial.widths", "one or more widths", self.widths)
        require(self.from_step >= 0, "adversarial.from_step", "0 or more", self.from_step)
