"""Fully convolutional networks: a classifier's features, scored at strides 32, 16 and 8, summed and interpolated.

Source: Long, Shelhamer & Darrell 2015, "Fully convolutional networks for semantic segmentation". Differences: padding
of half a filter everywhere in place of 100 pixels around the image, so that nothing has to be cropped; ResNet and
MobileNet encoders are scored directly, since they have no fully connected layers to convert.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from models.encoders.build import build_encoder
from models.encoders.encoder import scaled
from models.static import StaticNet
from models.upsampling import bilinear_transposed

FINEST = (32, 16, 8)
FC_CHANNELS = 4096
"""Channels of VGG's fully connected layers fc6 and fc7, here convolutions of 7x7 and 1x1."""


class FCN(StaticNet):
    """FCN-32s, FCN-16s and FCN-8s.

    Args:
        mean, std: per band, in reflectance.
        classes: number of classes K.
        encoder: name (`models.encoders.build`).
        width: multiplies the encoder's channels and `hidden`.
        finest: stride of the finest scores that are summed: 32, 16 or 8.
        hidden: channels of fc6 and fc7; None: 4096 after VGG, and 0, no such layers, after other encoders.
    """

    def __init__(
        self, *, mean: Sequence[float], std: Sequence[float], classes: int = 2, encoder: str = "resnet18",
        width: float = 1.0, finest: int = 8, hidden: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(mean, std)
        if finest not in FINEST:
            raise ValueError(f"finest is the stride of the finest scores, 32, 16 or 8; got {finest}")
        self.architecture = {
            "classes": classes, "encoder": encoder, "width": width, "finest": finest, "hidden": hidden,
        }  # fmt: skip
        self.stride_px = FINEST[0]
        self.encoder = build_encoder(encoder, self.bands, width=width)
        self.pool = nn.MaxPool2d(2) if self.encoder.pools_after else nn.Identity()
        if hidden is None:
            hidden = FC_CHANNELS if self.encoder.pools_after else 0
        scores = FINEST.index(finest) + 1
        channels = [*self.encoder.channels[-1:-1 - scores:-1]]  # fmt: skip
        self.fc: nn.Module = nn.Identity()
        if hidden:
            inner = scaled(hidden, width)
            self.fc = nn.Sequential(
                nn.Conv2d(channels[0], inner, 7, padding=3), nn.ReLU(), nn.Dropout(0.5),
                nn.Conv2d(inner, inner, 1), nn.ReLU(), nn.Dropout(0.5),
            )  # fmt: skip
            channels[0] = inner
        self.score = nn.ModuleList(nn.Conv2d(c, classes, 1) for c in channels)
        self.doublings = nn.ModuleList(bilinear_transposed(classes, 2, learned=True) for _ in channels[1:])
        self.last = bilinear_transposed(classes, finest, learned=False)
        for score in list(self.score)[1:]:  # a skip begins with no say, so that training begins as FCN-32s
            for parameter in score.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return logits (B, K, H, W)."""
        coarsest, *skips = reversed(self.encoder(self.normalised(x_BCHW))[-len(self.score) :])
        scores: Tensor = self.score[0](self.fc(self.pool(coarsest)))
        for features, score, double in zip(skips, list(self.score)[1:], self.doublings, strict=True):
            scores = double(scores) + score(self.pool(features))
        out: Tensor = self.last(scores)
        return out
