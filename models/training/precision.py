"""What a device computes in when it trains: where bfloat16 pays, and in which order the values of images lie."""

from __future__ import annotations

import torch


def multiplies_bfloat16(device: torch.device) -> bool:
    """Tell whether bfloat16 is faster than float32 there.

    A GPU's tensor cores and a CPU's matrix tiles (Intel AMX) make it so; on a CPU without AVX-512 it is hundreds of
    times slower.
    """
    return device.type == "cuda" or (device.type == "cpu" and bool(torch.cpu.get_capabilities().get("amx_bf16")))


def mixed_precision(device: torch.device, *, wanted: bool) -> torch.autocast:
    """Return a context in which convolutions compute in bfloat16, their weights and sums staying float32.

    Args:
        device: of the tensors that the network is given.
        wanted: False = the context changes nothing; nor does it on a device where float32 is faster.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted and multiplies_bfloat16(device))


def memory_format(device: torch.device) -> torch.memory_format:
    """Return the order of axes in which convolutions are to be trained there.

    Channels last is twice as fast. But on CPUs that have AVX2 and no AVX-512, the gradients of some small convolutions
    write past their memory in that order (seen with torch 2.13 on networks four channels wide): it breaks off at best.
    """
    can = torch.cpu.get_capabilities()
    unsafe = device.type == "cpu" and can.get("avx2") and not can.get("avx512_f")
    return torch.contiguous_format if unsafe else torch.channels_last
