"""What a training run must remember to go on after it was killed: one safetensors file, written aside and renamed."""

from __future__ import annotations

import os
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from models.errors import ConfigRefused

FILE = "run.safetensors"


def save_run(folder: Path, step: int, config: str, net: nn.Module, average: nn.Module, adam: torch.optim.AdamW) -> None:
    """Write weights, averaged weights and the optimiser's moments after `step` steps."""
    tensors = {f"net.{name}": value for name, value in net.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in average.state_dict().items()}
    for number, moments in adam.state_dict()["state"].items():
        tensors |= {f"adam.{number}.{name}": value for name, value in moments.items()}
    contiguous = {name: value.detach().contiguous() for name, value in tensors.items()}
    aside = folder / f".{FILE}.{os.getpid()}"
    safetensors.torch.save_file(contiguous, aside, metadata={"step": str(step), "config": config})
    aside.replace(folder / FILE)


def load_run(folder: Path, config: str, net: nn.Module, average: nn.Module, adam: torch.optim.AdamW) -> int:
    """Load what `save_run` wrote; return the steps done, 0 where there is nothing.

    Raises:
        ConfigRefused: the run in the folder was started with another configuration.
    """
    path = folder / FILE
    if not path.exists():
        return 0
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    if metadata["config"] != config:
        raise ConfigRefused(
            f"{folder} holds a run of another configuration; give another folder, or remove that one to start anew"
        )
    net.load_state_dict(_under("net.", tensors))
    average.load_state_dict(_under("average.", tensors))
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in _under("adam.", tensors).items():
        number, name = key.split(".", maxsplit=1)
        moments.setdefault(int(number), {})[name] = value
    adam.load_state_dict({"state": moments, "param_groups": adam.state_dict()["param_groups"]})
    return int(metadata["step"])


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
