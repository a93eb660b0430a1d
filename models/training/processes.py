"""Training in several processes, on one machine or more, as `torchrun` starts them.

Each process takes its share of a step's batch. Losses are sums over pixels divided by other sums (valid pixels, Dice's
denominators), so that a mean over processes of each one's loss is another loss than that of the whole batch. Therefore
the logits, which are small, are gathered, and every process computes the loss of the whole batch; and norms take their
statistics over all processes. What is learned is then what one process learns from the same batch, up to the order of
sums. Only a network with losses of its own (mask_rcnn), and the random choices of dropout, differ.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, distributed, nn

from models.errors import ConfigRefused, EngineUnavailable


@dataclass(frozen=True)
class Processes:
    """This process among those that train together.

    Attributes:
        rank: 0..count - 1; the first writes, scores and tells.
        count: of processes.
        device: on which this one computes.
    """

    rank: int = 0
    count: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def first(self) -> bool:
        """Whether this process writes, scores and tells."""
        return self.rank == 0

    def share(self, draws: int) -> range:
        """Return the numbers of the draws that this process takes of a step's.

        Raises:
            ConfigRefused: they cannot be shared out evenly.
        """
        if draws % self.count:
            raise ConfigRefused(
                f"{draws} draws in a step cannot be shared by {self.count} processes; make data.batch (data."
                "dates_per_step / dates for series) a multiple, or start another number of processes"
            )
        each = draws // self.count
        return range(self.rank * each, (self.rank + 1) * each)

    def gather(self, share: Tensor) -> Tensor:
        """Join the processes' shares along the first axis, in order; gradients find their way back."""
        if self.count == 1:
            return share
        joined: Tensor = _Joined.apply(share)  # type: ignore[no-untyped-call] # torch's
        return joined

    def agree(self, value: int) -> int:
        """Return what the first process says."""
        if self.count == 1:
            return value
        said = torch.tensor([value], device=self.device)
        distributed.broadcast(said, src=0)
        return int(said)

    def spread(self, module: nn.Module) -> nn.Module:
        """Wrap a module so that its gradients are the mean over processes; the module itself where there is one."""
        if self.count == 1:
            return module
        ids = [self.device.index] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(module, device_ids=ids, forward_sync_buffers=False)


def join(device: str = "auto") -> Processes:
    """Join the processes that `torchrun` started; alone where it did not.

    Args:
        device: `cpu`, `cuda`, or `auto`: CUDA where there is a device.

    Raises:
        EngineUnavailable: CUDA was asked for and is not there, or has fewer devices than this machine has processes.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise EngineUnavailable(f"unknown device {device!r}; use auto, cpu or cuda")
    cuda = device != "cpu" and torch.cuda.is_available()
    if device == "cuda" and not cuda:
        raise EngineUnavailable("device cuda was asked for, but torch sees no CUDA device; use auto or cpu")
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if cuda and local >= torch.cuda.device_count():
        seen = torch.cuda.device_count()
        raise EngineUnavailable(f"this machine has {seen} CUDA device(s), none for process {local}; start fewer")
    where = torch.device("cuda", local) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(where)
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Processes(device=where)
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if cuda else "gloo")
    return Processes(distributed.get_rank(), distributed.get_world_size(), where)


def leave(processes: Processes) -> None:
    """Part from the other processes, once all of them have come here.

    A thread of gloo's that lets go of the last collective's tensor when the interpreter is gone already aborts the
    process. A barrier has no tensor of Python's, and gloo begins it when all earlier work is let go.
    """
    if processes.count > 1:
        distributed.barrier()
        distributed.destroy_process_group()


class _Total(torch.autograd.Function):
    """Sum over processes, of values and of gradients."""

    @staticmethod
    def forward(ctx: Any, share: Tensor) -> Tensor:  # noqa: ARG004 - autograd's signature
        total = share.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _Total.forward(ctx, gradient)


class _Joined(torch.autograd.Function):
    """Shares of all processes along the first axis; a share's gradient is the sum of what each process makes of it.

    torch.distributed.nn.functional.all_gather is deprecated, and gave wrong gradients on gloo (torch 2.13) for losses
    that move the axis of the classes, whose gradients are not contiguous.
    """

    @staticmethod
    def forward(ctx: Any, share: Tensor) -> Tensor:
        ctx.each = len(share)
        parts = [torch.empty_like(share, memory_format=torch.contiguous_format) for _ in range(_count())]
        distributed.all_gather(parts, share.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = _Total.forward(ctx, gradient)
        return total.narrow(0, distributed.get_rank() * ctx.each, ctx.each)


def _total(share: Tensor) -> Tensor:
    total: Tensor = _Total.apply(share)  # type: ignore[no-untyped-call] # torch's
    return total


def _count() -> int:
    return distributed.get_world_size()


class JointBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm over the batch of all processes, on any device; torch's SyncBatchNorm runs on accelerators only."""

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Normalise with the statistics of all processes' pixels in training, with the remembered ones otherwise."""
        if not self.training:
            return super().forward(x_NCHW)
        count = x_NCHW.numel() // x_NCHW.shape[1] * _count()  # shares are equal
        mean = _total(x_NCHW.sum(dim=(0, 2, 3))) / count
        away = x_NCHW - mean[:, None, None]
        variance = _total(away.square().sum(dim=(0, 2, 3))) / count
        if self.running_mean is not None and self.running_var is not None and self.momentum is not None:
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(variance * count / max(1, count - 1), self.momentum)
                if self.num_batches_tracked is not None:
                    self.num_batches_tracked.add_(1)
        normal: Tensor = away * torch.rsqrt(variance + self.eps)[:, None, None]
        return normal * self.weight[:, None, None] + self.bias[:, None, None] if self.affine else normal


def join_norms(module: nn.Module, processes: Processes) -> nn.Module:
    """Let every BatchNorm take its statistics over all processes; names of weights stay."""
    if processes.count == 1:
        return module
    if processes.device.type == "cuda":
        joined: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call] # torch's
        return joined
    for part in list(module.modules()):
        if type(part) is nn.BatchNorm2d:
            part.__class__ = JointBatchNorm2d
    return module
