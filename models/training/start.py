"""First weights from a checkpoint, for fine-tuning: only from a network that is built the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from models.card import Card
from models.checkpoint import load_network
from models.checkpoint_files import WEIGHTS, read_checked
from models.errors import ConfigRefused
from models.registry import locate_model

WEIGHTLESS = ("unseen_clock",)
"""Of the architecture, what adds no weights: a network may learn to use it."""

SAME = ("family", "bands", "mean", "std", "architecture")
"""What must be equal in both cards, beside the classes' names: weights mean nothing under another normalisation."""


@dataclass(frozen=True)
class Start:
    """A checkpoint whose weights come first.

    Attributes:
        folder: where it lies.
        card: what it is.
        sha256: of its weights.
    """

    folder: Path
    card: Card
    sha256: str

    @property
    def told(self) -> dict[str, Any]:
        """What a card says of it: which weights, and what made them in turn."""
        return {"model": self.card.id, "weights_sha256": self.sha256, "training": self.card.training}

    def load(self) -> dict[str, Tensor]:
        """Return the weights by name.

        Raises:
            CheckpointRefused: the files do not fit the checkpoint's card.
        """
        weights: dict[str, Tensor] = load_network(self.folder, self.card).state_dict()
        return weights


def find_start(folder: str, card: Card) -> Start | None:
    """Find the checkpoint that a training starts from, if it starts from one.

    Args:
        folder: of the checkpoint, or the name of a shipped one; empty = none.
        card: of the network that is to be trained.

    Raises:
        ConfigRefused: its network is another one.
        CheckpointRefused: the folder holds no checkpoint, or its files do not fit its card.
        ModelUnknown: there is nothing of that name.
    """
    if not folder:
        return None
    first, path = locate_model(folder)
    ours, theirs = _compared(card), _compared(first)
    for key, value in ours.items():
        if theirs[key] != value:
            raise ConfigRefused(
                f"fit.start: {first.id} in {path} has {key} {theirs[key]}; this configuration's network has {value}; "
                "start from a checkpoint of the same network, or change [network], [data] or the legend to fit it"
            )
    return Start(path, first, hashlib.sha256(read_checked(path, first, WEIGHTS)).hexdigest())


def _compared(card: Card) -> dict[str, str]:
    """Return what must be equal, as text that a file gives back as it was."""
    values = {key: getattr(card, key) for key in SAME} | {"classes": [c.name for c in card.classes]}
    values["architecture"] = {key: value for key, value in card.architecture.items() if key not in WEIGHTLESS}
    return {key: json.dumps(value, sort_keys=True) for key, value in values.items()}
