"""Measuring how far a network looks: a gradient probe, over any number of dates."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.recurrent_unet import RecurrentUNet
from models.static import StaticNet
from models.upsampling import MaxPoolIndices, MaxUnpool

FARTHEST_PX = 512
"""Static networks that look farther than this are not measured: their windows would be nearly all halo."""


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


def measure_static_radius(net: StaticNet) -> int:
    """Measure the radius of a static network's receptive field in pixels (Chebyshev distance).

    The gradient probe of a copy in which nothing can hide a path: weights are positive, so that no path cancels and no
    ReLU is shut, and max-pooling is average-pooling, so that every pixel of a cell counts. So the answer depends on the
    architecture alone, and a trained network never looks farther. The probe runs over strips, tall and wide.

    Raises:
        ValueError: the network looks farther than `FARTHEST_PX`; it cannot tile exactly.
    """
    probe, stride = _open(net), net.stride_px
    reach = 64
    while (reach := 2 * reach) <= FARTHEST_PX:
        centre = -(-reach // stride) * stride
        radius = max(_strip_radius(probe, centre, stride, axis) for axis in (2, 3))
        if radius < reach:
            return radius
    raise ValueError(f"the receptive field is wider than {FARTHEST_PX} px: such a network tiles by blending")


def _open(net: StaticNet) -> StaticNet:
    """Return a copy in which a gradient reaches every pixel that could ever matter."""
    probe = copy.deepcopy(net).cpu().double().eval()
    for name, module in list(probe.named_modules()):
        if isinstance(module, nn.MaxPool2d):
            probe.set_submodule(name, nn.AvgPool2d(module.kernel_size, module.stride, module.padding))
        elif isinstance(module, MaxPoolIndices):
            probe.set_submodule(name, _MeanOfCell())
        elif isinstance(module, MaxUnpool):
            probe.set_submodule(name, _AllOverCell())
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
    with torch.no_grad():
        probe.mean_C11.zero_()
        probe.std_C11.fill_(1.0)
        for weight in probe.parameters():
            weight.fill_(1.0 / weight[0].numel() if weight.dim() == 4 else 0.0)
        for module in probe.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.fill_(1.0)
    return probe


def _strip_radius(probe: StaticNet, centre: int, stride: int, axis: int) -> int:
    """Probe every phase of the stride along one axis of a strip that is one stride wide."""
    shape = [1, probe.bands, stride, stride]
    shape[axis] = 2 * centre + stride
    x = torch.full(shape, 1e-3, dtype=torch.float64, requires_grad=True)
    lines = probe(x)[0, 0].sum(dim=3 - axis)  # over the width of the strip
    radius = 0
    for phase in range(stride):
        (gradient,) = torch.autograd.grad(lines[centre + phase], x, retain_graph=True)
        reached = torch.nonzero(gradient.transpose(2, axis).sum(dim=(0, 1, 3)))
        radius = max(radius, int((reached - centre - phase).abs().max()))
    return radius


class _MeanOfCell(nn.Module):
    def forward(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        mean = functional.avg_pool2d(x_BCHW, 2)
        return mean, mean


class _AllOverCell(nn.Module):
    def forward(self, x_BCHW: Tensor, _: Tensor) -> Tensor:
        return x_BCHW.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
