"""What a training run must remember to go on after it was killed: one safetensors file, written aside and renamed."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from models.errors import ConfigRefused

FILE = "run.safetensors"
NEVER_SCORED = float("-inf")


@dataclass
class Run:
    """A run, as it stands after `step` steps.

    Attributes:
        net, adam: what learns, and its optimiser.
        average: moving average of the weights of `net`.
        judge, judge_adam: of adversarial training, else None.
        step: steps taken.
        best_score: highest watched score so far, and `best` the averaged weights that had it (with patience only).
        stale: scores since then.
    """

    net: nn.Module
    average: nn.Module
    adam: torch.optim.AdamW
    judge: nn.Module | None = None
    judge_adam: torch.optim.AdamW | None = None
    step: int = 0
    best_score: float = NEVER_SCORED
    best: dict[str, Tensor] = field(default_factory=dict)
    stale: int = 0

    def scored(self, score: float) -> bool:
        """Take a score in; tell whether it is the best so far. A score that is no number is not."""
        if score > self.best_score:
            self.best_score, self.stale = score, 0
            self.best = copy.deepcopy(self.average.state_dict())
            return True
        self.stale += 1
        return False


def save_run(folder: Path, run: Run, facts: Mapping[str, str]) -> None:
    """Write a run to `folder/run.safetensors`, aside and then renamed.

    Args:
        folder: of the run; exists.
        run: as it stands.
        facts: what it is a run of: `config`, `fingerprint`, `start` (hash of the first weights, if they are a
            checkpoint's), and what else should be on record.
    """
    tensors = _named("net.", run.net) | _named("average.", run.average) | _moments("adam.", run.adam)
    if run.judge is not None and run.judge_adam is not None:
        tensors |= _named("judge.", run.judge) | _moments("judge_adam.", run.judge_adam)
    tensors |= {f"best.{name}": value for name, value in run.best.items()}
    contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    progress = {"step": str(run.step), "best_score": repr(run.best_score), "stale": str(run.stale)}
    aside = folder / f".{FILE}.{os.getpid()}"
    safetensors.torch.save_file(contiguous, aside, metadata={**facts, **progress})
    aside.replace(folder / FILE)


def load_run(folder: Path, run: Run, facts: Mapping[str, str]) -> None:
    """Load what `save_run` wrote into `run`; leave it as it is where there is nothing.

    Raises:
        ConfigRefused: the run in the folder was started with another configuration, on other data, or from other
            weights.
    """
    path = folder / FILE
    if not path.exists():
        return
    with safetensors.safe_open(path, framework="pt") as file:
        told = file.metadata()
        tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    for fact, words in (("config", "of another configuration"), ("fingerprint", "on other data")):
        if told.get(fact, facts[fact]) != facts[fact]:  # runs from before fingerprints have none
            raise ConfigRefused(f"{folder} holds a run {words}; give another folder, or remove that one to start anew")
    if told.get("start", "") != facts.get("start", ""):
        raise ConfigRefused(f"{folder} holds a run from other first weights (fit.start); give another folder")
    run.net.load_state_dict(_under("net.", tensors))
    run.average.load_state_dict(_under("average.", tensors))
    _restore(run.adam, _under("adam.", tensors))
    if run.judge is not None and run.judge_adam is not None:
        run.judge.load_state_dict(_under("judge.", tensors))
        _restore(run.judge_adam, _under("judge_adam.", tensors))
    run.step, run.stale = int(told["step"]), int(told.get("stale", "0"))
    run.best_score, run.best = float(told.get("best_score", repr(NEVER_SCORED))), _under("best.", tensors)


def _named(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    return {f"{prefix}{name}": value for name, value in module.state_dict().items()}


def _moments(prefix: str, adam: torch.optim.AdamW) -> dict[str, Tensor]:
    moments = adam.state_dict()["state"].items()
    return {f"{prefix}{number}.{name}": value for number, values in moments for name, value in values.items()}


def _restore(adam: torch.optim.AdamW, tensors: dict[str, Tensor]) -> None:
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, name = key.split(".", maxsplit=1)
        moments.setdefault(int(number), {})[name] = value
    adam.load_state_dict({"state": moments, "param_groups": adam.state_dict()["param_groups"]})


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
