"""Two processes that train together learn what one learns from the same batch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models.training.lesson import open_lesson
from models.training.processes import Processes
from tests.conftest import free_port
from tests.models.training import joint_run


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a job of two processes, as torchrun starts them, on the loopback."""
    out = tmp_path_factory.mktemp("together")
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1",
        "--master-port", str(free_port()), "-m", "tests.models.training.joint_run", str(out),
    ]  # fmt: skip
    root = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr[-4000:]
    return out


@pytest.mark.parametrize("name", joint_run.CONFIGS)
def test_losses_and_gradients_are_those_of_one_process(together: Path, tmp_path: Path, name: str) -> None:
    """Cross-entropy, Dice and Lovasz over unequal numbers of valid pixels, BatchNorm, and a discriminator's turn.

    Adam's first moments after a step are the gradients themselves. From then on runs drift apart by rounding: Adam's
    first step makes a difference in the last bit of a gradient near zero one of the whole rate.
    """
    joint = json.loads((together / "losses.json").read_text())[name]
    alone = joint_run.run(open_lesson(joint_run.CONFIGS[name]), tmp_path / name, Processes())
    assert joint[0] == pytest.approx(alone[0], rel=1e-5)
    assert joint[1] == pytest.approx(alone[1], rel=2e-2)
    first, second = (load_file(folder / name / "first.safetensors") for folder in (together, tmp_path))
    assert first.keys() == second.keys()
    gradients = [key for key in first if key.endswith(".exp_avg")]
    assert any(key.startswith("judge_adam.") for key in gradients) == (name == "static")
    for key in gradients:
        scale = float(second[key].abs().max())
        torch.testing.assert_close(first[key], second[key], rtol=1e-3, atol=max(1e-3 * scale, 1e-7))
    for key in (key for key in first if "running_" in key):
        torch.testing.assert_close(first[key], second[key], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", joint_run.CONFIGS)
def test_all_processes_end_with_the_same_weights(together: Path, name: str) -> None:
    one, other = (load_file(together / name / f"found{rank}.safetensors") for rank in (0, 1))
    assert all(torch.equal(value, other[key]) for key, value in one.items())
