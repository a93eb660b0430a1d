"""The pyramid scene parsing network: what stands where in the whole tile, beside what stands here.

Source: Zhao et al. 2017, "Pyramid scene parsing network": dilated ResNet at stride 8, average pooling into 1, 2, 3 and
6 bins a side, an auxiliary loss of weight 0.4 on the fourth stage. Every pixel depends on the whole input: it does not
tile exactly, and its card says `blend`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.encoders.build import build_encoder
from models.static import StaticNet

AUXILIARY_WEIGHT = 0.4
STRIDE_PX = 8


def pooling_weights(size: int, bins: int, like: Tensor) -> Tensor:
    """Return the matrix that averages `size` values into `bins`.

    Bin b averages the values from floor(b * size / bins) up to ceil((b + 1) * size / bins), as
    `torch.nn.functional.adaptive_avg_pool2d` does; written as a matrix it exports to ONNX with any size.

    Returns:
        (bins, size), each row sums to 1.
    """
    value = torch.arange(size, device=like.device)
    bin_ = torch.arange(bins, device=like.device).unsqueeze(1)
    inside = (value >= bin_ * size // bins) & (value < ((bin_ + 1) * size + bins - 1) // bins)
    weights = inside.to(like.dtype)
    return weights / weights.sum(dim=1, keepdim=True)


class PyramidLevel(nn.Module):
    """Average into bins x bins, 1x1 convolution, and back to the size of the input, bilinearly.

    Its norm needs more than one value per channel: train with two images or more at once.
    """

    def __init__(self, bins: int, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.bins = bins
        self.conv = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return (B, channels_out, H, W)."""
        height, width = x_BCHW.shape[-2:]
        rows, cols = pooling_weights(height, self.bins, x_BCHW), pooling_weights(width, self.bins, x_BCHW)
        pooled = functional.relu(self.norm(self.conv(rows @ x_BCHW @ cols.T)))
        return functional.interpolate(pooled, size=(height, width), mode="bilinear", align_corners=False)


def _head(channels_in: int, channels: int, classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
        nn.Dropout(0.1), nn.Conv2d(channels, classes, 1),
    )  # fmt: skip


class PSPNet(StaticNet):
    """A PSPNet.

    Args:
        mean, std: per band, in reflectance.
        classes: number of classes K.
        encoder: name of a ResNet (`models.encoders.build`).
        width: multiplies the encoder's channels; the heads follow.
        bins: sides of the pyramid's levels.
    """

    def __init__(
        self, *, mean: Sequence[float], std: Sequence[float], classes: int = 2, encoder: str = "resnet18",
        width: float = 1.0, bins: Sequence[int] = (1, 2, 3, 6),
    ) -> None:  # fmt: skip
        super().__init__(mean, std)
        self.architecture = {"classes": classes, "encoder": encoder, "width": width, "bins": [*bins]}
        self.stride_px = STRIDE_PX
        self.encoder = build_encoder(encoder, self.bands, width=width, dilated=True)
        *_, auxiliary, deepest = self.encoder.channels
        share = max(deepest // len(bins), 1)
        self.pyramid = nn.ModuleList(PyramidLevel(b, deepest, share) for b in bins)
        self.head = _head(deepest + share * len(bins), max(deepest // 4, 1), classes)
        self.auxiliary = _head(auxiliary, max(auxiliary // 4, 1), classes)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return logits (B, K, H, W) of the main head."""
        return self._main(self.encoder(self.normalised(x_BCHW))[-1])

    def outputs(self, x_BCHW: Tensor) -> list[tuple[float, Tensor]]:
        """Return the main output with weight 1, and the auxiliary one with weight 0.4."""
        *_, auxiliary, deepest = self.encoder(self.normalised(x_BCHW))
        return [(1.0, self._main(deepest)), (AUXILIARY_WEIGHT, _enlarged(self.auxiliary(auxiliary)))]

    def _main(self, features_BCHW: Tensor) -> Tensor:
        levels = [level(features_BCHW) for level in self.pyramid]
        return _enlarged(self.head(torch.cat([features_BCHW, *levels], dim=1)))


def _enlarged(logits_BKHW: Tensor) -> Tensor:
    return functional.interpolate(logits_BKHW, scale_factor=float(STRIDE_PX), mode="bilinear", align_corners=False)
