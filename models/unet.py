"""The U-Net over any encoder: each level's features are carried over and concatenated on the way up.

Source: Ronneberger, Fischer & Brox 2015, "U-Net: convolutional networks for biomedical image segmentation".
Differences: padded convolutions, so that nothing is cropped; BatchNorm; the encoder is a named one, VGG-16 being the
nearest to the paper's (it has the same five scales, from full size to a sixteenth).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.encoders.build import build_encoder
from models.encoders.encoder import scaled
from models.recurrent_unet import ConvNormRelu
from models.static import StaticNet
from models.upsampling import MaxPoolIndices, build_upsampling

STEM_SHARE = 0.5
"""Channels of the last level over an encoder that begins at stride 2, as a share of the encoder's finest."""


class UNet(StaticNet):
    """A U-Net.

    Args:
        mean, std: per band, in reflectance.
        classes: number of classes K.
        encoder: name (`models.encoders.build`); the decoder has as many channels as the encoder at each level.
        width: multiplies the encoder's channels.
        upsampling: name (`models.upsampling`); the paper's is `transposed`. For `max_unpool` the places of the maxima
            come from the features that are carried over, so the encoder must have some at full size (VGG).
    """

    def __init__(
        self, *, mean: Sequence[float], std: Sequence[float], classes: int = 2, encoder: str = "resnet18",
        width: float = 1.0, upsampling: str = "transposed",
    ) -> None:  # fmt: skip
        super().__init__(mean, std)
        self.architecture = {"classes": classes, "encoder": encoder, "width": width, "upsampling": upsampling}
        self.encoder = build_encoder(encoder, self.bands, width=width)
        self.stride_px = self.encoder.strides[-1]
        if upsampling == "max_unpool" and self.encoder.strides[0] > 1:
            raise ValueError(f"max_unpool needs features at full size: use vgg16 or vgg16_bn in place of {encoder}")
        channels = self.encoder.channels
        ups = [build_upsampling(upsampling, deep, fine) for fine, deep in itertools.pairwise(channels)]
        blocks = [nn.Sequential(ConvNormRelu(2 * fine, fine), ConvNormRelu(fine, fine)) for fine in channels[:-1]]
        last = channels[0]
        if self.encoder.strides[0] == 2:  # one level more, with nothing to carry over
            last = scaled(channels[0], STEM_SHARE)
            ups.insert(0, build_upsampling(upsampling, channels[0], last))
            blocks.insert(0, nn.Sequential(ConvNormRelu(last, last), ConvNormRelu(last, last)))
        self.ups, self.blocks = nn.ModuleList(ups), nn.ModuleList(blocks)
        self.pool = MaxPoolIndices()
        self.to_logits = nn.Conv2d(last, classes, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return logits (B, K, H, W)."""
        *carried, features = self.encoder(self.normalised(x_BCHW))
        for up, block in zip(reversed(list(self.ups)), reversed(list(self.blocks)), strict=True):
            if not carried:
                features = block(up(features))
                continue
            fine = carried.pop()
            places = self.pool(fine)[1] if up.needs_indices else None
            features = block(torch.cat([up(features, places), fine], dim=1))
        logits: Tensor = self.to_logits(features)
        return logits
