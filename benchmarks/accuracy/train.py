"""Training the rivals: all on the very same chips, in the same order, with one optimiser each."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from benchmarks.accuracy.rivals import RIVALS
from models.training.config import NetworkConfig, TrainConfig
from models.training.drawing import draw_batches
from models.training.loop import follow, rate_at, sum_of
from models.training.processes import Processes, join
from models.training.recurrent import SeriesLesson, about_series

SAVE_EVERY = 200


def train_rivals(
    config: TrainConfig, names: Sequence[str], out_dir: Path, *, readers: int = 0, device: str = "auto"
) -> None:
    """Train rivals side by side; `out_dir/NAME.safetensors` holds the averaged weights of each.

    Args:
        config: of the recurrent network: data, schedule, loss, widths and budget of all.
        names: of `RIVALS`.
        out_dir: made if it is not there.
        readers: processes that draw chips ahead.
        device: auto, cpu or cuda.
    """
    if not isinstance(config.network, NetworkConfig):
        raise TypeError(f"expected a configuration of the Recurrent U-Net; got {config.network}")
    torch.set_num_threads(config.fit.threads)
    out_dir.mkdir(parents=True, exist_ok=True)
    processes, lesson, theme = join(device), SeriesLesson(config), about_series(config)
    learners = []
    for name in names:
        torch.manual_seed(config.seed)
        learners.append(_Learner(RIVALS[name](config.network, theme).to(processes.device), lesson, config))
    started = time.monotonic()
    for step, batch in enumerate(draw_batches(lesson, processes, range(config.fit.steps), readers)):
        tensors = [tensor.to(processes.device) for tensor in batch]
        losses = [learner.learn(tensors, step) for learner in learners]
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == config.fit.steps:
            for name, learner in zip(names, learners, strict=True):
                safetensors.torch.save_file(learner.weights(), weights_of(out_dir, name), {"step": str(step + 1)})
            told = "  ".join(f"{name} {float(loss):.3f}" for name, loss in zip(names, losses, strict=True))
            print(
                f"step {step + 1}/{config.fit.steps}  {told}  {(time.monotonic() - started) / 60:.1f} min", flush=True
            )


def weights_of(folder: Path, name: str) -> Path:
    """Return where the weights of a rival lie."""
    return folder / f"{name.replace(' ', '-').replace('(', '').replace(')', '').replace(',', '')}.safetensors"


class _Learner:
    """A rival with its optimiser and the average of its weights."""

    def __init__(self, net: nn.Module, lesson: SeriesLesson, config: TrainConfig) -> None:
        self._net, self._config, self._average = net, config, copy.deepcopy(net).eval().requires_grad_(False)
        self._objective = lesson.objective(net, Processes())
        self._adam = torch.optim.AdamW(net.parameters(), lr=0.0, weight_decay=config.fit.weight_decay)

    def learn(self, batch: Sequence[torch.Tensor], step: int) -> torch.Tensor:
        """Take a step, as `models.training.loop` does; return the loss."""
        fit = self._config.fit
        for group in self._adam.param_groups:
            group["lr"] = rate_at(step, self._config)
        self._net.train()
        self._adam.zero_grad(set_to_none=True)
        terms, _ = self._objective(*batch)
        loss = sum_of(terms)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self._net.parameters(), fit.clip_norm)
        self._adam.step()
        follow(self._average, self._net, min(fit.average_decay, (1 + step) / (10 + step)))
        return loss.detach()

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the averaged weights, on the CPU."""
        return {name: value.cpu().contiguous() for name, value in self._average.state_dict().items()}
