"""Melting BatchNorm into the convolution before it, for inference."""

from __future__ import annotations

import itertools

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_norms(net: nn.Module) -> None:
    """Melt, in place, every norm that its module declares right after a convolution of as many channels.

    Every network of `models` declares its layers in the order in which they run. The network is left in eval mode.
    """
    net.eval()
    for module in list(net.modules()):
        children = list(module.named_children())
        for (before, conv), (after, norm) in itertools.pairwise(children):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, before, fuse_conv_bn_eval(conv, norm))
                setattr(module, after, nn.Identity())
