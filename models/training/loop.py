"""The training loop: simulate, augment, step, average; save often, so that a killed run goes on and ends the same."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.card import Card
from models.checkpoint import save_checkpoint
from models.receptive_field import measure_radius
from models.recurrent_unet import RecurrentUNet
from models.training.augment import augment
from models.training.chips import TRAIN_SEEDS, draw_chip
from models.training.config import TrainConfig
from models.training.evaluate import evaluate
from models.training.losses import masked_loss
from models.training.run_state import load_run, save_run
from models.training.themes import THEMES

BANDS = ("blue", "green", "red", "nir")


def train(config: TrainConfig, out_dir: Path, progress: Callable[[str], None] = lambda _: None) -> Path:
    """Train a network, or go on with the run that `out_dir` holds.

    Args:
        config: what to train.
        out_dir: of the run; gets run.safetensors while training, log.jsonl, and the checkpoint at the end.
        progress: called with a line of text now and then.

    Returns:
        Folder of the finished checkpoint, `out_dir/NAME`.

    Raises:
        ConfigRefused: `out_dir` holds a run of another configuration.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(config.fit.threads)
    torch.manual_seed(config.seed)
    net = build(config)
    average = copy.deepcopy(net).eval().requires_grad_(False)
    adam = torch.optim.AdamW(net.parameters(), lr=config.fit.peak_rate, weight_decay=config.fit.weight_decay)
    written = json.dumps(dataclasses.asdict(config), sort_keys=True)
    done, started = load_run(out_dir, written, net, average, adam), time.monotonic()
    for step in range(done, config.fit.steps):
        for group in adam.param_groups:
            group["lr"] = rate_at(step, config)
        loss = _fit_batch(net, adam, draw_batch(config, step), config)
        _follow(average, net, min(config.fit.average_decay, (1 + step) / (10 + step)))
        reached = step + 1
        if reached % config.fit.save_every == 0 or reached == config.fit.steps:
            save_run(out_dir, reached, written, net, average, adam)
            minutes = (time.monotonic() - started) / 60
            progress(f"step {reached}/{config.fit.steps}  loss {loss:.4f}  {minutes:.1f} min")
        if reached % config.fit.validate_every == 0:
            scores = evaluate(average, config.theme, split="validation", series=6)
            progress(
                f"step {reached}  validation " + "  ".join(f"{name} {value:.4f}" for name, value in scores.items())
            )
    folder = out_dir / config.name
    save_checkpoint(folder, average, make_card(config, average))
    return folder


def build(config: TrainConfig) -> RecurrentUNet:
    """Build the network to train, with fresh weights."""
    return RecurrentUNet(head=THEMES[config.theme].head, **dataclasses.asdict(config.network))


def rate_at(step: int, config: TrainConfig) -> float:
    """Learning rate of the one-cycle schedule: a straight rise, then half a cosine down to nothing."""
    rise = max(1, round(config.fit.warmup * config.fit.steps))
    if step < rise:
        return config.fit.peak_rate * (step + 1) / rise
    share = (step - rise) / max(1, config.fit.steps - rise)
    return config.fit.peak_rate * 0.5 * (1 + math.cos(math.pi * share))


def draw_batch(config: TrainConfig, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return a step's (x_BTCHW, clear_BTHW, day_BT, target_BTHW); a function of configuration and step alone."""
    rng = np.random.default_rng((config.seed, step))
    dates = int(rng.choice(config.data.dates))
    chips = []
    for _ in range(max(1, config.data.dates_per_step // dates)):
        seed = int(rng.integers(TRAIN_SEEDS.start, TRAIN_SEEDS.stop))
        chips.append(augment(draw_chip(config.theme, config.data, dates, seed, rng), rng))
    return (
        torch.from_numpy(np.stack([chip.reflectance for chip in chips])),
        torch.from_numpy(np.stack([chip.clear for chip in chips])),
        torch.from_numpy(np.stack([chip.days for chip in chips])),
        torch.from_numpy(np.stack([chip.target for chip in chips])),
    )


def make_card(config: TrainConfig, net: RecurrentUNet) -> Card:
    """Write down what was trained, on what; scores are added when they are measured."""
    theme = THEMES[config.theme]
    return Card(
        name=config.name,
        version=config.version,
        family="recurrent_unet",
        title=theme.title,
        description=theme.description,
        bands=BANDS,
        classes=theme.classes,
        change=theme.change,
        mean=config.network.mean,
        std=config.network.std,
        stride_px=net.stride_px,
        radius_px=measure_radius(build(config)),  # fresh weights: a trained network may have dead units
        tiling="exact",
        res_m=(3.0, 30.0),
        architecture=net.architecture,
        training={
            "data": "simulated series only (geo.simulator), landscapes 0-9999; no real image was used",
            "config": dataclasses.asdict(config),
        },
        scores={},
        hashes={},
    )


def _fit_batch(
    net: RecurrentUNet, adam: torch.optim.AdamW, batch: tuple[Tensor, Tensor, Tensor, Tensor], config: TrainConfig
) -> float:
    x_BTCHW, clear_BTHW, day_BT, target_BTHW = batch
    net.train()
    adam.zero_grad(set_to_none=True)
    logprobs = net(x_BTCHW, clear_BTHW, day_BT)
    loss = masked_loss(logprobs, target_BTHW, clear_BTHW, dice_weight=config.fit.dice_weight)
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(net.parameters(), config.fit.clip_norm)
    adam.step()
    return float(loss.detach())


@torch.no_grad()
def _follow(average: RecurrentUNet, net: RecurrentUNet, decay: float) -> None:
    """Move the averaged weights, and the norms' statistics with them, towards the net's."""
    for mean, now in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(now, 1 - decay)
        else:
            mean.copy_(now)
