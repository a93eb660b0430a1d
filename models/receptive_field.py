"""Measuring how far a network looks: a gradient probe, over any number of dates."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from models.recurrent_unet import RecurrentUNet


def measure_radius(
    net: RecurrentUNet, *, dates: int = 2, reach_px: int = 80, seed: int = 0, phases: Sequence[int] | None = None
) -> int:
    """Measure the radius of the receptive field in pixels (Chebyshev distance), up to `reach_px`.

    The gradient of one output pixel, at every phase of the stride, with respect to all dates' input: the farthest pixel
    at which it is not zero. Every pixel is random and clear, several times over, so that a dead ReLU hides nothing.

    Args:
        net: any weights; left in eval mode. A trained network may have dead units: probe a fresh one as well.
        dates: dates in the series; the last one's output is probed.
        reach_px: how far the probe looks; the answer must be less, else the field is wider than the probe.
        seed: of the random input.
        phases: positions of the output pixel within the stride; None = all, since the field leans with the position.

    Raises:
        ValueError: the field reaches the probe's edge.
    """
    net.eval()
    stride = net.stride_px
    side = -(-(2 * reach_px + stride) // stride) * stride
    generator = torch.Generator().manual_seed(seed)
    radius = 0
    for phase in range(stride) if phases is None else phases:
        x = torch.rand((1, dates, net.bands, side, side), generator=generator).requires_grad_()
        clear = torch.ones((1, dates, side, side), dtype=torch.bool)
        days = 18000.0 + 10.0 * torch.arange(dates, dtype=torch.float32).reshape(1, -1)
        centre = side // 2 // stride * stride + phase
        logprobs = net(x, clear, days)
        (gradient,) = torch.autograd.grad(logprobs[0, -1, 0, centre, centre], x)
        rows, cols = torch.nonzero(gradient.abs().sum(dim=(0, 1, 2)), as_tuple=True)
        if len(rows):
            away = torch.maximum((rows - centre).abs(), (cols - centre).abs())
            radius = max(radius, int(away.max()))
    if radius >= min(side // 2, side - side // 2 - stride):
        raise ValueError(f"the receptive field reaches the probe's edge at {radius} px; raise reach_px")
    return radius
