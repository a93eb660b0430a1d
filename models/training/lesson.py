"""What the loop asks of a kind of network: how it is built, what it is shown, what it is asked, how it is scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from models.card import Card
from models.networks import Network
from models.training.config import NetworkConfig, TrainConfig
from models.training.processes import Processes
from models.training.watching import Example

Batch = tuple[Tensor, ...]
"""A step's share of chips; what its tensors are is the lesson's own."""


@dataclass(frozen=True)
class Shown:
    """What a discriminator is shown of this process's chips.

    Attributes:
        x: normalised images (B, C, H, W), 0 where not clear.
        logits: of the network, (B, K, H, W), with their gradient.
        target: class ids (B, H, W); anything where not valid.
        valid: (B, H, W), where the truth is known and the pixel clear.
    """

    x: Tensor
    logits: Tensor
    target: Tensor
    valid: Tensor


Answer = tuple[dict[str, Tensor], Shown | None]
"""Weighted terms of the loss, whose sum is minimised; and what a discriminator is shown, if there can be one."""


class Lesson(Protocol):
    """A kind of network with its data."""

    @property
    def config(self) -> TrainConfig:
        """What is trained."""

    @property
    def notes(self) -> Sequence[str]:
        """What a user must know before training starts."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the data."""

    @property
    def watched(self) -> str:
        """Name of the score by which the best weights are told."""

    @property
    def together(self) -> int:
        """Steps in a row whose batches are drawn in one go, from a multiple of this on; 1 = each by itself."""

    def build(self) -> Network:
        """Build the network to train, with fresh weights."""

    def card(self) -> Card:
        """Write down what is trained, on what."""

    def draw(self, step: int, processes: Processes) -> Batch:
        """Draw a process's share of a step's chips: a function of configuration, step and processes alone."""

    def objective(self, net: nn.Module, processes: Processes) -> nn.Module:
        """Return a module that holds `net` and turns a batch into an `Answer`."""

    def score(self, net: nn.Module) -> tuple[Mapping[str, float], Sequence[Example]]:
        """Score a network on held-out data; and a few examples."""


def open_lesson(config: TrainConfig) -> Lesson:
    """Open the lesson that a configuration describes.

    Raises:
        DataRefused: its data cannot be learned from as they are.
    """
    from models.training.recurrent import SeriesLesson
    from models.training.single_date import DateLesson

    return SeriesLesson(config) if isinstance(config.network, NetworkConfig) else DateLesson(config)
