"""Opening an engine: which one runs is decided here, and nowhere else."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from models.card import Card, read_card
from models.engine import Engine
from models.engines.blend import BlendEngine
from models.engines.flips import FlipEngine, check_averages
from models.errors import EngineUnavailable


def open_engine(folder: Path, *, device: str = "auto", threads: int = 0, tta: bool = False) -> Engine:
    """Open the checkpoint in `folder`, ready to run.

    Args:
        folder: card.json, weights.safetensors and step.onnx (none where the network finds instances).
        device: `cpu` (onnxruntime; torch for instances), `cuda` (torch, bfloat16; float32 for
            instances), or `auto`: CUDA where torch and a device are there.
        threads: CPU threads of the engine; 0 = one per CPU that this process may use.
        tta: test-time augmentation (`models.engines.flips`).

    Raises:
        CheckpointRefused: a file is missing, or is not what the card says.
        EngineUnavailable: the device is unknown, or is not there.
        ModelUnsuited: test-time augmentation of a network that finds instances.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise EngineUnavailable(f"unknown device {device!r}; use auto, cpu or cuda")
    card = read_card(folder)
    if tta:
        check_averages(card)
    cuda = device != "cpu" and _has_cuda()
    if device == "cuda" and not cuda:
        raise EngineUnavailable("device cuda was asked for, but torch sees no CUDA device; use auto or cpu")
    if card.tiling == "instances":
        return _open_instances(folder, card, threads=threads, cuda=cuda)
    engine = _open_inner(folder, card, threads=threads, cuda=cuda)
    engine = FlipEngine(engine) if tta else engine
    return BlendEngine(engine) if card.tiling == "blend" else engine


def _open_instances(folder: Path, card: Card, *, threads: int, cuda: bool) -> Engine:
    if importlib.util.find_spec("torch") is None:
        raise EngineUnavailable(f"{card.id} finds instances, which needs torch on CPU too: pip install chronoseg[gpu]")
    from models.engines.instances import InstancesEngine

    return InstancesEngine(folder, card, device="cuda" if cuda else "cpu", threads=threads)


def _open_inner(folder: Path, card: Card, *, threads: int, cuda: bool) -> Engine:
    if cuda:
        from models.engines.torch import TorchEngine

        return TorchEngine(folder, card, device="cuda")
    from models.engines.onnx import OnnxEngine

    return OnnxEngine(folder, card, threads=threads)


def _has_cuda() -> bool:
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()
