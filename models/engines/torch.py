"""Inference by torch: CUDA in bfloat16, channels last; float32 on CPU, for tests and comparison."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.card import Card
from models.checkpoint import load_network
from models.engine import State
from models.networks import stepping
from models.onnx_export import state_names


class TorchEngine:
    """A network in torch; the state stays on its device in float32, so that an unclear date keeps it bit for bit."""

    def __init__(self, folder: Path, card: Card, *, device: str = "cuda") -> None:
        self._card, self._device = card, torch.device(device)
        net = stepping(load_network(folder, card))
        net.fold()
        self._net = net.to(self._device)
        for weight in self._net.parameters():
            if weight.dim() == 4:
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)

    @property
    def card(self) -> Card:
        """The card of the loaded network."""
        return self._card

    def start(self, height: int, width: int) -> State:
        """Return the state before the first date; see `models.engine.Engine`."""
        return self._net.start(1, height, width, self._device)

    @torch.inference_mode()
    def step(
        self, state: State, reflectance: NDArray[np.float32], clear: NDArray[np.bool_], day: int
    ) -> tuple[State, NDArray[np.float32]]:
        """Take one date in; see `models.engine.Engine`."""
        x = torch.from_numpy(np.ascontiguousarray(reflectance[None], np.float32)).to(self._device, non_blocking=True)
        x = x.to(memory_format=torch.channels_last)
        usable = torch.from_numpy(np.ascontiguousarray(clear[None], np.bool_)).to(self._device, non_blocking=True)
        days = torch.tensor([day], dtype=torch.float32, device=self._device)
        # bfloat16 on a CPU without AVX-512 is hundreds of times slower than float32: CUDA only.
        with torch.autocast("cuda", torch.bfloat16, enabled=self._device.type == "cuda"):
            probs, *after = self._net.step(x, usable, days, *state)
        result: NDArray[np.float32] = probs[0].float().cpu().numpy()
        return tuple(tensor.float() for tensor in after), result

    def tensors(self, state: State) -> dict[str, NDArray[np.float32]]:
        """Return the state's arrays by name; see `models.engine.RememberingEngine`."""
        arrays = (np.ascontiguousarray(tensor.cpu().numpy()) for tensor in state)
        return dict(zip(state_names(self._net), arrays, strict=True))

    def restore(self, tensors: Mapping[str, NDArray[np.float32]]) -> State:
        """Return the state that arrays are of; see `models.engine.RememberingEngine`."""
        return tuple(torch.from_numpy(tensors[name].copy()).to(self._device) for name in state_names(self._net))
