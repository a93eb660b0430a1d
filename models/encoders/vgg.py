"""VGG-16 encoders, with the names of torchvision's state dicts.

Source: Simonyan & Zisserman 2015, "Very deep convolutional networks for large-scale image recognition", table 1, D.
"""

from __future__ import annotations

from torch import Tensor, nn

from models.encoders.encoder import Encoder, scaled

BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of the 13 convolutions; every block ends in a 2x2 max-pooling."""


class VGG16(Encoder):
    """Feature maps at the end of each of the five blocks, before its max-pooling.

    Args:
        bands: channels of the input.
        norm: BatchNorm after every convolution.
        width: multiplies all channels.
    """

    pools_after = True

    def __init__(self, bands: int, *, norm: bool, width: float = 1.0) -> None:
        super().__init__()
        self.bands = bands
        self.channels = tuple(scaled(block[-1], width) for block in BLOCKS)
        self.strides = (1, 2, 4, 8, 16)
        layers: list[nn.Module] = []
        channels_in = bands
        for block in BLOCKS:
            for channels in (scaled(channels, width) for channels in block):
                layers.append(nn.Conv2d(channels_in, channels, 3, padding=1))
                layers.extend([nn.BatchNorm2d(channels), nn.ReLU()] if norm else [nn.ReLU()])
                channels_in = channels
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.ends = tuple(number for number, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d))
        for module in layers:
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def blocks(self) -> list[nn.Sequential]:
        """Return the five blocks without their poolings; the modules are this network's own."""
        begins = (0, *(end + 1 for end in self.ends[:-1]))
        layers = list(self.features.children())
        return [nn.Sequential(*layers[begin:end]) for begin, end in zip(begins, self.ends, strict=True)]

    def forward(self, x_BCHW: Tensor) -> list[Tensor]:
        """Return five feature maps, at strides 1, 2, 4, 8, 16; each waits for its max-pooling."""
        x, features = x_BCHW, []
        for number, layer in enumerate(self.features.children()):
            if number in self.ends:
                features.append(x)
            if number != self.ends[-1]:
                x = layer(x)
        return features
