"""Teaching the Recurrent U-Net: simulated series in, a map per date out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from models.card import Card
from models.receptive_field import measure_radius
from models.recurrent_unet import RecurrentUNet
from models.training.augment import augment
from models.training.chips import TRAIN_SEEDS, draw_chip
from models.training.config import DataConfig, NetworkConfig, TrainConfig
from models.training.datasets.simulated import ABOUT, fingerprint_simulator
from models.training.evaluate import evaluate
from models.training.lesson import Answer
from models.training.losses import masked_loss
from models.training.processes import Processes
from models.training.themes import THEMES
from models.training.watching import Example
from models.training.written import written

BANDS = ("blue", "green", "red", "nir")
SCORED_SERIES = 6

SeriesBatch = tuple[Tensor, Tensor, Tensor, Tensor]
"""(x_BTCHW, clear_BTHW, day_BT, target_BTHW)"""


class SeriesLesson:
    """The Recurrent U-Net on simulated series."""

    watched = "iou"
    notes: tuple[str, ...] = ()

    def __init__(self, config: TrainConfig) -> None:
        if config.theme is None or not isinstance(config.data, DataConfig):
            raise TypeError(f"expected a configuration of series; got {config}")
        self.config, self._theme = config, config.theme
        self.fingerprint = fingerprint_simulator(config.theme, config.data)

    def build(self) -> RecurrentUNet:
        """Build the network; see `Lesson`."""
        return build(self.config)

    def card(self) -> Card:
        """Write down what is trained; see `Lesson`."""
        return make_card(self.config, build(self.config))

    def draw(self, step: int, processes: Processes) -> SeriesBatch:
        """Draw a share of a step's series; see `Lesson`. All are drawn, since one generator draws them in turn."""
        x, clear, day, target = draw_batch(self.config, step)
        share = processes.share(len(x))
        at = slice(share.start, share.stop)
        return x[at], clear[at], day[at], target[at]

    def objective(self, net: nn.Module, processes: Processes) -> nn.Module:
        """Return the module that asks; see `Lesson`."""
        return _SeriesObjective(net, self.config, processes)

    def score(self, net: nn.Module) -> tuple[Mapping[str, float], Sequence[Example]]:
        """Score on held-out landscapes; see `Lesson`."""
        if not isinstance(net, RecurrentUNet):
            raise TypeError(f"expected a RecurrentUNet; got {type(net).__name__}")
        return evaluate(net, self._theme, split="validation", series=SCORED_SERIES), ()


class _SeriesObjective(nn.Module):
    """The network and what it is asked: cross-entropy and Dice where a date is clear."""

    def __init__(self, net: nn.Module, config: TrainConfig, processes: Processes) -> None:
        super().__init__()
        self.net, self._fit, self._processes = net, config.fit, processes

    def forward(self, x_BTCHW: Tensor, clear_BTHW: Tensor, day_BT: Tensor, target_BTHW: Tensor) -> Answer:
        """Return the loss of the whole batch."""
        mixed = self._fit.mixed_precision and x_BTCHW.is_cuda
        with torch.autocast("cuda", torch.bfloat16, enabled=mixed):
            logprobs = self.net(x_BTCHW, clear_BTHW, day_BT)
        whole = (self._processes.gather(share) for share in (logprobs.float(), target_BTHW, clear_BTHW))
        return {"loss": masked_loss(*whole, dice_weight=self._fit.dice_weight)}, None


def build(config: TrainConfig) -> RecurrentUNet:
    """Build the network to train, with fresh weights."""
    if config.theme is None or not isinstance(config.network, NetworkConfig):
        raise TypeError(f"expected a configuration of the Recurrent U-Net; got {config.network}")
    return RecurrentUNet(head=THEMES[config.theme].head, **dataclasses.asdict(config.network))


def draw_batch(config: TrainConfig, step: int) -> SeriesBatch:
    """Return a step's (x_BTCHW, clear_BTHW, day_BT, target_BTHW); a function of configuration and step alone."""
    if config.theme is None or not isinstance(config.data, DataConfig):
        raise TypeError(f"expected a configuration of series; got {config.data}")
    rng = np.random.default_rng((config.seed, step))
    dates = int(rng.choice(config.data.dates))
    chips = []
    for _ in range(max(1, config.data.dates_per_step // dates)):
        seed = int(rng.integers(TRAIN_SEEDS.start, TRAIN_SEEDS.stop))
        chips.append((config.augment or augment)(draw_chip(config.theme, config.data, dates, seed, rng), rng))
    return (
        torch.from_numpy(np.stack([chip.reflectance for chip in chips])),
        torch.from_numpy(np.stack([chip.clear for chip in chips])),
        torch.from_numpy(np.stack([chip.days for chip in chips])),
        torch.from_numpy(np.stack([chip.target for chip in chips])),
    )


def make_card(config: TrainConfig, net: RecurrentUNet) -> Card:
    """Write down what was trained, on what; scores are added when they are measured."""
    if config.theme is None:
        raise TypeError("expected a configuration with a theme")
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
        training={"data": ABOUT, "config": written(config)},
        scores={},
        hashes={},
    )
