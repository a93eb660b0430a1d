"""Teaching static networks: one date in, one map out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from models.card import MASK_NODATA, Card
from models.mask_rcnn.network import MaskRCNN
from models.static import StaticNet
from models.training.augment import augment
from models.training.augmentations.table import sample_rng
from models.training.config import NetworkConfig, TrainConfig
from models.training.datasets.open import open_source
from models.training.datasets.source import Source
from models.training.date_tables import DateTable
from models.training.instances import InstanceObjective
from models.training.lesson import Answer, Shown
from models.training.losses import Loss, build_loss
from models.training.picture_scores import score_pictures
from models.training.precision import mixed_precision
from models.training.processes import Processes
from models.training.static_config import LossConfig
from models.training.static_networks import build_static, static_card
from models.training.themes import about
from models.training.watching import Example

DateBatch = tuple[Tensor, Tensor, Tensor]
"""(x_BCHW, clear_BHW, target_BHW), 255 where the truth is not known."""


class DateLesson:
    """A static network on single dates of any source.

    Raises:
        DataRefused: the data cannot be learned from as they are.
        ConfigRefused: the network cannot be built as it is asked for, or does not fit the chips.
    """

    watched = "mean_iou"
    together = 1

    def __init__(self, config: TrainConfig) -> None:
        data, network = config.data, config.network
        if isinstance(network, NetworkConfig) or not isinstance(data, DateTable):
            raise TypeError(f"expected a configuration of a static network; got {network} on {data}")
        self.config, self._network, self._data = config, network, data
        self._about = about(config.theme, config.legend)
        self._source: Source = open_source(config, self._about)
        self.notes, self.fingerprint = self._source.notes, self._source.fingerprint

    def build(self) -> StaticNet | MaskRCNN:
        """Build the network; see `Lesson`."""
        return build_static(self._network, self._source.bands, len(self._about.classes), self._data.chip_px)

    def card(self) -> Card:
        """Write down what is trained; see `Lesson`."""
        return static_card(self.config, self._network, self._about, self._source)

    def draw(self, step: int, processes: Processes) -> DateBatch:
        """Draw a share of a step's chips; see `Lesson`. Every draw has a generator of its own."""
        each, chips = self._source.per_draw, []
        draws = self._data.batch // each
        for number in processes.share(draws):
            drawn = self._source.draw(np.random.default_rng((self.config.seed, step, number)))
            first = (step * draws + number) * each
            for place, chip in enumerate(drawn):
                chips.append((self.config.augment or augment)(chip, sample_rng(self.config.seed, first + place)))
        return (
            torch.from_numpy(np.concatenate([chip.reflectance for chip in chips])),
            torch.from_numpy(np.concatenate([chip.clear for chip in chips])),
            torch.from_numpy(np.concatenate([chip.target for chip in chips])),
        )

    def objective(self, net: nn.Module, processes: Processes) -> nn.Module:
        """Return the module that asks; see `Lesson`."""
        mixed = self.config.fit.mixed_precision
        if isinstance(net, MaskRCNN):
            return InstanceObjective(net, len(self._about.classes))
        if not isinstance(net, StaticNet):
            raise TypeError(f"expected a network of one date; got {type(net).__name__}")
        table, weights = self.config.loss or LossConfig(), None
        if table.class_weights == "median-frequency":
            counted = self._source.frequencies(len(self._about.classes))
            weights = torch.from_numpy(counted.median_frequency_weights())
        loss = build_loss(table.terms, class_weights_K=weights, focal_gamma=table.focal_gamma)
        return DateObjective(net, loss, processes, mixed)

    def score(self, net: nn.Module) -> tuple[Mapping[str, float], Sequence[Example]]:
        """Score on the held-out pictures; see `Lesson`."""
        if not isinstance(net, StaticNet | MaskRCNN):
            raise TypeError(f"expected a network of one date; got {type(net).__name__}")
        return score_pictures(net, self._source.pictures("held-out"), self._about.classes)


class DateObjective(nn.Module):
    """A static network and what it is asked: a sum of losses of each of its outputs, over the whole batch.

    Args:
        net: a network with `outputs` (`models.static.StaticNet`).
        loss: of logits, target and valid pixels.
        processes: among which the batch is shared.
        mixed: bfloat16 where that is faster; losses are in float32 all the same.
    """

    def __init__(self, net: StaticNet, loss: Loss, processes: Processes, mixed: bool) -> None:
        super().__init__()
        self.net, self._loss, self._processes, self._mixed = net, loss, processes, mixed

    def forward(self, x_BCHW: Tensor, clear_BHW: Tensor, target_BHW: Tensor) -> Answer:
        """Return a term per output, and what a discriminator is shown."""
        net, clear = self.net, clear_BHW.unsqueeze(1)
        valid = clear_BHW & (target_BHW != MASK_NODATA)
        x_BCHW = torch.where(clear, x_BCHW, net.mean_C11)
        with mixed_precision(x_BCHW.device, wanted=self._mixed):
            outputs = net.outputs(x_BCHW)
        target, valid_everywhere = self._processes.gather(target_BHW), self._processes.gather(valid)
        terms = {}
        for number, (weight, logits) in enumerate(outputs):
            name = "main" if number == 0 else f"auxiliary{number}"
            terms[name] = weight * self._loss(self._processes.gather(logits.float()), target, valid_everywhere)
        return terms, Shown(net.normalised(x_BCHW), outputs[0][1].float(), target_BHW, valid)
