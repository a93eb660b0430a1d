"""What one of several processes does, started by torchrun: python -m tests.models.training.joint_run OUT."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from models.training.config import DataConfig, NetworkConfig, TrainConfig
from models.training.fit_config import FitConfig
from models.training.lesson import Lesson, open_lesson
from models.training.loop import fit
from models.training.processes import Processes, join, leave
from models.training.static_config import AdversarialConfig, LossConfig
from models.training.watching import Event, Saved, Stepped
from tests.models.training.static_runs import any_card, tiny

CONFIGS = {
    "static": tiny(
        "unet",
        fit=FitConfig(steps=2, save_every=1, validate_every=100),
        loss=LossConfig(cross_entropy=1.0, dice=0.5, lovasz=0.5),
        adversarial=AdversarialConfig(widths=(4, 4)),
    ),
    "series": TrainConfig(
        theme="burned-area",
        name="tiny",
        network=NetworkConfig(widths=(4, 6), memory=(4, 6)),
        data=DataConfig(chip_px=32, dates_per_step=4, dates=(2,)),
        fit=FitConfig(steps=2, save_every=1, validate_every=100),
    ),
}


def run(lesson: Lesson, out: Path, processes: Processes) -> list[float]:
    """Train; leave the run after its first step and each process's weights beside it, and return the losses."""
    out.mkdir(exist_ok=True)
    losses: list[float] = []

    def watch(event: Event) -> None:
        if isinstance(event, Stepped):
            losses.append(event.loss)
        if isinstance(event, Saved) and event.step == 1:
            shutil.copy(out / "run.safetensors", out / "first.safetensors")

    found = fit(lesson, any_card(), out, watchers=[watch], processes=processes)
    save_file(found.state_dict(), out / f"found{processes.rank}.safetensors")
    return losses


def main(out: Path) -> None:
    """Train every configuration together."""
    torch.set_num_threads(1)
    processes = join("cpu")
    losses = {name: run(open_lesson(config), out / name, processes) for name, config in CONFIGS.items()}
    if processes.first:
        (out / "losses.json").write_text(json.dumps(losses))
    leave(processes)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
