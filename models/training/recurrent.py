"""Teaching the Recurrent U-Net: series in, a map per date out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from models.card import MASK_NODATA, Card
from models.errors import ConfigRefused
from models.receptive_field import measure_radius
from models.recurrent_unet import RecurrentUNet
from models.training.augment import augment
from models.training.chips import Chip
from models.training.config import DataConfig, NetworkConfig, TrainConfig
from models.training.datasets.open_series import open_series
from models.training.datasets.series import SeriesSource
from models.training.echoes import Pool, draw_pool, show, steps_together
from models.training.lesson import Answer
from models.training.losses import build_loss, masked_loss
from models.training.precision import mixed_precision
from models.training.processes import Processes
from models.training.series_config import SeriesTable
from models.training.themes import THEMES, Theme, own_theme
from models.training.watching import Example
from models.training.written import written

SeriesBatch = tuple[Tensor, Tensor, Tensor, Tensor]
"""(x_BTCHW, clear_BTHW, day_BT, target_BTHW), the truth as uint8: 255 where it is not known."""


class SeriesLesson:
    """The Recurrent U-Net on series of any source.

    Raises:
        DataRefused: the data cannot be learned from as they are.
        ConfigRefused: the loss asked for is one of two classes, and there are more.
    """

    def __init__(self, config: TrainConfig) -> None:
        theme = about_series(config)
        if len(theme.classes) > 2 and config.fit.missed_weight != 1:
            raise ConfigRefused("fit.missed_weight: expected 1 (leave it out) where there are more than two classes")
        self.config, self._source = config, open_series(config, theme)
        self.watched = "iou" if config.legend is None else "mean_iou"
        self.notes, self.fingerprint = self._source.notes, self._source.fingerprint
        self.together = steps_together(config.data)
        self._pool: Pool | None = None

    def build(self) -> RecurrentUNet:
        """Build the network; see `Lesson`."""
        return build(self.config)

    def card(self) -> Card:
        """Write down what is trained; see `Lesson`."""
        return make_card(self.config, build(self.config), self._source)

    def draw(self, step: int, processes: Processes) -> SeriesBatch:
        """Draw a share of a step's series; see `Lesson`. All are drawn, since one generator draws them in turn."""
        x, clear, day, target = self._draw(step)
        share = processes.share(len(x))
        at = slice(share.start, share.stop)
        return x[at], clear[at], day[at], target[at]

    def _draw(self, step: int) -> SeriesBatch:
        data = self.config.data
        if self.together == 1 or not isinstance(data, DataConfig):
            return draw_batch(self.config, step, self._source)
        number = step // self.together
        if self._pool is None or self._pool.number != number:
            self._pool = draw_pool(self.config, data, number, self._source)
        return _batch_of(show(self._pool, self.config, data, step))

    def objective(self, net: nn.Module, processes: Processes) -> nn.Module:
        """Return the module that asks; see `Lesson`."""
        return _SeriesObjective(net, self.config, processes)

    def score(self, net: nn.Module) -> tuple[Mapping[str, float], Sequence[Example]]:
        """Score on held-out series; see `Lesson`."""
        return self._source.score(net)


class _SeriesObjective(nn.Module):
    """The network and what it is asked: cross-entropy and Dice where a date is clear and its truth known."""

    def __init__(self, net: nn.Module, config: TrainConfig, processes: Processes) -> None:
        super().__init__()
        self.net, self._fit, self._processes = net, config.fit, processes

    def forward(self, x_BTCHW: Tensor, clear_BTHW: Tensor, day_BT: Tensor, target_BTHW: Tensor) -> Answer:
        """Return the loss of the whole batch."""
        with mixed_precision(x_BTCHW.device, wanted=self._fit.mixed_precision):
            logprobs = self.net(x_BTCHW, clear_BTHW, day_BT)
        valid = clear_BTHW & (target_BTHW != MASK_NODATA)
        target = torch.where(valid, target_BTHW, 0).long()
        whole = [self._processes.gather(share) for share in (logprobs.float(), target, valid)]
        return {"loss": self._loss(*whole)}, None

    def _loss(self, logprobs_BTKHW: Tensor, target_BTHW: Tensor, valid_BTHW: Tensor) -> Tensor:
        """Ask for class 1 where there are two, else for all classes alike."""
        fit = self._fit
        if logprobs_BTKHW.shape[2] == 2:
            return masked_loss(
                logprobs_BTKHW, target_BTHW, valid_BTHW, dice_weight=fit.dice_weight, missed_weight=fit.missed_weight
            )
        weights = {"cross_entropy": 1.0, "dice": fit.dice_weight}
        loss = build_loss({name: weight for name, weight in weights.items() if weight > 0})
        return loss(logprobs_BTKHW, target_BTHW, valid_BTHW)


def about_series(config: TrainConfig) -> Theme:
    """Return what a recurrent network is about: a shipped theme, or a legend of one's own with a class per date."""
    if config.legend is not None:
        return own_theme(config.legend)
    if config.theme is None:
        raise TypeError(f"expected a configuration with a theme or a legend; got {config}")
    return THEMES[config.theme]


def build(config: TrainConfig) -> RecurrentUNet:
    """Build the network to train, with fresh weights."""
    if not isinstance(config.network, NetworkConfig):
        raise TypeError(f"expected a configuration of the Recurrent U-Net; got {config.network}")
    theme = about_series(config)
    return RecurrentUNet(classes=len(theme.classes), head=theme.head, **dataclasses.asdict(config.network))


def draw_batch(config: TrainConfig, step: int, source: SeriesSource | None = None) -> SeriesBatch:
    """Draw the batch of a step whose series are shown once: a function of configuration, data and step alone.

    Args:
        config: says how many dates, and what is done to chips.
        step: from 0.
        source: where chips come from; None = what the configuration names.
    """
    if not isinstance(config.data, DataConfig | SeriesTable):
        raise TypeError(f"expected a configuration of series; got {config.data}")
    source = source or open_series(config, about_series(config))
    rng = np.random.default_rng((config.seed, step))
    dates = int(rng.choice(config.data.dates))
    chips = []
    for _ in range(max(1, config.data.dates_per_step // dates)):
        chips.append((config.augment or augment)(source.draw(dates, rng), rng))
    return _batch_of(chips)


def _batch_of(chips: Sequence[Chip]) -> SeriesBatch:
    return (
        torch.from_numpy(np.stack([chip.reflectance for chip in chips])),
        torch.from_numpy(np.stack([chip.clear for chip in chips])),
        torch.from_numpy(np.stack([chip.days for chip in chips])),
        torch.from_numpy(np.stack([chip.target for chip in chips]).astype(np.uint8)),
    )


def make_card(config: TrainConfig, net: RecurrentUNet, source: SeriesSource | None = None) -> Card:
    """Write down what was trained, on what; scores are added when they are measured.

    Args:
        config: of the training.
        net: as `build` gives it.
        source: of the series; None = what the configuration names.
    """
    theme = about_series(config)
    source = source or open_series(config, theme)
    return Card(
        name=config.name,
        version=config.version,
        family="recurrent_unet",
        title=theme.title,
        description=theme.description,
        bands=source.bands,
        classes=theme.classes,
        change=theme.change,
        mean=config.network.mean,
        std=config.network.std,
        stride_px=net.stride_px,
        radius_px=measure_radius(build(config)),  # fresh weights: a trained network may have dead units
        tiling="exact",
        res_m=source.res_m,
        architecture=net.architecture,
        training={"data": source.about, "config": written(config)},
        scores={},
        hashes={},
    )
