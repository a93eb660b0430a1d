"""What the training loop tells those who watch it; how it is shown is theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.card import Card


@dataclass(frozen=True)
class Started:
    """Training starts, or goes on after `done` steps."""

    done: int
    steps: int
    card: Card


@dataclass(frozen=True)
class Note:
    """Something that a user must know, such as files that were left out."""

    text: str


@dataclass(frozen=True)
class Stepped:
    """A step was taken; `terms` are the weighted terms of the loss, and the discriminator's loss."""

    step: int
    loss: float
    terms: Mapping[str, float]
    rate: float


@dataclass(frozen=True)
class Saved:
    """The run was saved, and goes on from here if it is killed."""

    step: int
    steps: int
    loss: float
    minutes: float


@dataclass(frozen=True)
class Example:
    """A held-out picture: the image's bands (C, H, W), and class ids (H, W), 255 where there are none."""

    name: str
    reflectance: NDArray[np.float32]
    truth: NDArray[np.integer]
    mask: NDArray[np.integer]


@dataclass(frozen=True)
class Scored:
    """The averaged weights were scored on held-out data."""

    step: int
    scores: Mapping[str, float]
    best: bool
    examples: Sequence[Example]


Event = Started | Note | Stepped | Saved | Scored
Watcher = Callable[[Event], None]


def tell_lines(say: Callable[[str], None]) -> Watcher:
    """Return a watcher that says, in lines of text, what matters."""

    def watch(event: Event) -> None:
        if isinstance(event, Note):
            say(event.text)
        elif isinstance(event, Started) and event.done:
            say(f"goes on after step {event.done}/{event.steps}")
        elif isinstance(event, Saved):
            say(f"step {event.step}/{event.steps}  loss {event.loss:.4f}  {event.minutes:.1f} min")
        elif isinstance(event, Scored):
            told = "  ".join(f"{name} {value:.4f}" for name, value in event.scores.items())
            say(f"step {event.step}  held out  {told}")

    return watch
