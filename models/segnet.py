"""SegNet: a decoder that mirrors VGG-16 and puts values back where the encoder's maxima stood; Bayesian by dropout.

Source: Badrinarayanan, Kendall & Cipolla 2017, "SegNet: a deep convolutional encoder-decoder architecture for image
segmentation"; Kendall, Badrinarayanan & Cipolla 2017, "Bayesian SegNet: model uncertainty in deep convolutional
encoder-decoder architectures for scene understanding" (the variant with dropout in the central six units).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.encoders.build import VGGS, build_encoder
from models.encoders.encoder import scaled
from models.encoders.vgg import BLOCKS, VGG16
from models.static import StaticNet
from models.upsampling import MaxPoolIndices, build_upsampling

DROPOUT = 0.5
CENTRAL = 3
"""Dropout follows the last three encoder units, and the first three decoder units."""


def _unit(channels_in: int, channels: Sequence[int]) -> nn.Sequential:
    """Return 3x3 convolutions, each with norm and ReLU."""
    layers: list[nn.Module] = []
    for channels_out in channels:
        conv = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        layers += [conv, nn.BatchNorm2d(channels_out), nn.ReLU()]
        channels_in = channels_out
    return nn.Sequential(*layers)


def _dropout(here: bool) -> nn.Module:
    return nn.Dropout(DROPOUT) if here else nn.Identity()


@dataclass(frozen=True)
class Sampled:
    """What many passes with dropout say together.

    Attributes:
        mean: mean probabilities, (B, K, H, W).
        variance: variance of the probabilities over the passes, (B, K, H, W).
        entropy: predictive entropy of the mean, in nats, (B, H, W).
    """

    mean: Tensor
    variance: Tensor
    entropy: Tensor


class SegNet(StaticNet):
    """A SegNet: 13 convolutions down, 13 up.

    Args:
        mean, std: per band, in reflectance.
        classes: number of classes K.
        encoder: `vgg16_bn` (the paper's) or `vgg16`.
        width: multiplies all channels.
        upsampling: name (`models.upsampling`); the paper's is `max_unpool`.
        bayesian: six dropouts, for `sample`.
    """

    def __init__(
        self, *, mean: Sequence[float], std: Sequence[float], classes: int = 2, encoder: str = "vgg16_bn",
        width: float = 1.0, upsampling: str = "max_unpool", bayesian: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(mean, std)
        built = build_encoder(encoder, self.bands, width=width)
        if not isinstance(built, VGG16):
            raise ValueError(f"SegNet mirrors its encoder, which must be one of {', '.join(VGGS)}; got {encoder!r}")
        self.architecture = {
            "classes": classes, "encoder": encoder, "width": width, "upsampling": upsampling, "bayesian": bayesian,
        }  # fmt: skip
        self.encoder = built
        self.stride_px = 2 * built.strides[-1]
        self.pool = MaxPoolIndices()
        blocks = [[scaled(channels, width) for channels in block] for block in BLOCKS]
        self.ups, self.units = nn.ModuleList(), nn.ModuleList()
        for level in reversed(range(len(blocks))):
            deep, *inner = reversed(blocks[level])
            finer = [blocks[level - 1][-1]] if level else []  # at full size the 13th convolution is `to_logits`
            self.ups.append(build_upsampling(upsampling, deep))
            self.units.append(_unit(deep, [*inner, *finer]))
        self.drops_down = nn.ModuleList(_dropout(bayesian and level >= len(blocks) - CENTRAL) for level in range(5))
        self.drops_up = nn.ModuleList(_dropout(bayesian and number < CENTRAL) for number in range(5))
        self.to_logits = nn.Conv2d(blocks[0][0], classes, 3, padding=1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return logits (B, K, H, W)."""
        features, places = self.normalised(x_BCHW), []
        for block, drop in zip(self.encoder.blocks(), self.drops_down, strict=True):
            features, place = self.pool(block(features))
            features = drop(features)
            places.append(place)
        for up, unit, drop in zip(self.ups, self.units, self.drops_up, strict=True):
            features = drop(unit(up(features, places.pop())))
        logits: Tensor = self.to_logits(features)
        return logits

    @torch.no_grad()
    def sample(self, x_BCHW: Tensor, passes: int, seed: int) -> Sampled:
        """Run many times with dropout on, everything else as in inference (Monte-Carlo dropout).

        Args:
            x_BCHW: reflectance of one date.
            passes: at least 2.
            seed: the same seed gives the same result; torch's own random state is left as it was.

        Raises:
            ValueError: this is not the Bayesian variant, or there are fewer than 2 passes.
        """
        if not self.architecture["bayesian"]:
            raise ValueError("sampling needs dropout: build the network with bayesian=True")
        if passes < 2:
            raise ValueError(f"a variance needs 2 passes or more; got {passes}")
        training = self.training
        self.eval()
        self.drops_down.train()
        self.drops_up.train()
        devices = [x_BCHW.device] if x_BCHW.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            mean, spread = torch.zeros(()), torch.zeros(())
            for number in range(1, passes + 1):  # Welford's sums: nothing grows with the number of passes
                probs = self(x_BCHW).softmax(dim=1)
                away = probs - mean
                mean = mean + away / number
                spread = spread + away * (probs - mean)
        self.train(training)
        entropy = -torch.special.xlogy(mean, mean).sum(dim=1)
        return Sampled(mean, spread / passes, entropy)
