"""Where a network may compute in bfloat16: on devices that multiply matrices of it in hardware."""

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
