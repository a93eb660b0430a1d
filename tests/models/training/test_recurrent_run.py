"""What a recurrent configuration trained yesterday must give tomorrow: the same draws, the same steps, bit for bit."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import torch

from models.recurrent_unet import RecurrentUNet
from models.training import recurrent
from models.training.config import DataConfig, NetworkConfig, TrainConfig
from models.training.fit_config import FitConfig
from models.training.loop import fit
from models.training.losses import masked_loss
from models.training.precision import memory_format
from models.training.themes import THEMES
from tests.models.nets import make_card

TINY = TrainConfig(
    theme="burned-area",
    name="tiny",
    network=NetworkConfig(widths=(4, 6), memory=(4, 6)),
    data=DataConfig(chip_px=32, dates_per_step=4, dates=(2, 3)),
    fit=FitConfig(steps=3, save_every=3, validate_every=100),
)


PINNED = (
    (3026.3053228743374, 1016, 52457.0, 342),
    (1611.0075534302741, 3072, 59478.0, 281),
    (2015.3864954020828, 2912, 57255.0, 0),
)
"""Sums of reflectance, clear flags, days and targets of steps 0 to 2 of `TINY`, as for the shipped checkpoints."""


@pytest.mark.parametrize("step", [0, 1, 2])
def test_the_draws_of_a_step_are_those_of_the_shipped_checkpoints(step: int) -> None:
    x, clear, day, target = recurrent.draw_batch(TINY, step)
    assert x.shape == (1, 3, 4, 32, 32)
    drawn = (float(x.double().sum()), int(clear.sum()), float(day.double().sum()), int(target.sum()))
    assert drawn == pytest.approx(PINNED[step], rel=1e-5)


def test_the_loop_takes_the_steps_of_a_loop_written_out(tmp_path: Path) -> None:
    """The reference is the plain loop that made the shipped recurrent checkpoints, with the loop's order of memory."""
    torch.set_num_threads(1)
    torch.manual_seed(TINY.seed)
    net = RecurrentUNet(
        head=THEMES["burned-area"].head, widths=(4, 6), memory=(4, 6), mean=TINY.network.mean, std=TINY.network.std
    )
    net = net.to(memory_format=memory_format(torch.device("cpu")))  # type: ignore[call-overload] # torch's stubs lag
    average = copy.deepcopy(net).eval().requires_grad_(False)
    adam = torch.optim.AdamW(net.parameters(), lr=4e-3, weight_decay=1e-4)
    for step in range(3):
        for group in adam.param_groups:  # no rise: a tenth of 3 steps is none
            group["lr"] = 4e-3 if step < 1 else 4e-3 * 0.5 * (1 + math.cos(math.pi * (step - 1) / 2))
        x, clear, day, target = recurrent.draw_batch(TINY, step)
        net.train()
        adam.zero_grad(set_to_none=True)
        torch.autograd.backward(masked_loss(net(x, clear, day), target.long(), clear, dice_weight=0.5))
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        adam.step()
        with torch.no_grad():
            for mean, now in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
                if mean.is_floating_point():
                    mean.lerp_(now, 1 - min(0.995, (1 + step) / (10 + step)))
                else:
                    mean.copy_(now)
    lesson = recurrent.SeriesLesson(TINY)
    made = fit(lesson, make_card(net), tmp_path).state_dict()
    assert set(made) == set(average.state_dict())
    assert all(torch.equal(made[name], value) for name, value in average.state_dict().items())
    assert all(torch.isfinite(value).all() for value in made.values())
