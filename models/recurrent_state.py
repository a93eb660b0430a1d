"""What a network remembers of a window, kept in a file from one scene to the next: a new scene costs one step."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from models.card import Card
from models.checkpoint_files import WEIGHTS
from models.engine import RememberingEngine, State
from models.errors import StateRefused

FORMAT = "1"


@dataclass
class RecurrentState:
    """A window as far as it has been seen. Make one by `begin` or `load`.

    Attributes:
        engine: runs the network that remembers.
        shape: (height, width) of the window in pixels.
        scenes: ids of the scenes seen, in order.
        last_day: date of the last scene, days since 1970-01-01; None before the first.
    """

    engine: RememberingEngine
    shape: tuple[int, int]
    scenes: tuple[str, ...]
    last_day: int | None
    _memory: State

    @classmethod
    def begin(cls, engine: RememberingEngine, height: int, width: int) -> Self:
        """Begin a window of which nothing was seen; height and width are multiples of the card's stride.

        Raises:
            StateRefused: they are not.
        """
        stride = engine.card.stride_px
        if height < stride or width < stride or height % stride or width % stride:
            raise StateRefused(f"expected a window whose sides are multiples of {stride} px; got {height} x {width}")
        return cls(engine, (height, width), (), None, engine.start(height, width))

    def step(
        self, scene: str, reflectance: NDArray[np.float32], clear: NDArray[np.bool_], day: int
    ) -> NDArray[np.float32]:
        """Take one more scene in.

        Args:
            scene: its id.
            reflectance: (C, H, W) float32, the card's bands in order, 0..1; anything where `clear` is False.
            clear: (H, W) bool, True = usable pixel.
            day: its date, days since 1970-01-01.

        Returns:
            Class probabilities after this scene, (K, H, W) float32; NaN where no scene was clear yet.

        Raises:
            StateRefused: the scene was seen before, is older than the last one, or has another shape.
        """
        if scene in self.scenes:
            raise StateRefused(f"scene {scene} was taken in before; each scene counts once")
        if self.last_day is not None and day < self.last_day:
            raise StateRefused(
                f"scene {scene} is of day {day}, the last one of day {self.last_day}; take scenes in by date, or begin "
                "anew with all of them"
            )
        expected = (len(self.engine.card.bands), *self.shape)
        if reflectance.shape != expected or clear.shape != self.shape:
            raise StateRefused(
                f"scene {scene}: expected reflectance {expected} and clear {self.shape}; got {reflectance.shape} and "
                f"{clear.shape}"
            )
        self._memory, probs = self.engine.step(self._memory, reflectance, clear, day)
        self.scenes, self.last_day = (*self.scenes, scene), day
        return probs

    def save(self, path: Path) -> None:
        """Write everything to a safetensors file, aside and then renamed; any engine of the same model reads it."""
        told = {
            "format": FORMAT,
            "model": self.engine.card.id,
            "sha256": _hash_of(self.engine.card),
            "shape": json.dumps(self.shape),
            "scenes": json.dumps(self.scenes),
            "last_day": json.dumps(self.last_day),
        }
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            safetensors.numpy.save_file(dict(self.engine.tensors(self._memory)), aside, metadata=told)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path, engine: RememberingEngine) -> Self:
        """Read what `save` wrote.

        Raises:
            StateRefused: the file is damaged, no state, or of another model than the engine's.
        """
        told, tensors = _read(path)
        card = engine.card
        if told["sha256"] != _hash_of(card):
            raise StateRefused(
                f"{path}: a state of {told['model']} with other weights than {card.id} has here; a state goes on with "
                "the very weights that made it: begin anew, or use that model"
            )
        height, width = json.loads(told["shape"])
        state = cls.begin(engine, int(height), int(width))
        fresh = engine.tensors(state._memory)
        if {name: tensor.shape for name, tensor in tensors.items()} != {name: t.shape for name, t in fresh.items()}:
            raise StateRefused(f"{path}: its tensors are not those of {card.id} on {height} x {width} px")
        state._memory = engine.restore(tensors)
        state.scenes, state.last_day = tuple(json.loads(told["scenes"])), json.loads(told["last_day"])
        return state


def _read(path: Path) -> tuple[Mapping[str, str], dict[str, NDArray[np.float32]]]:
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            told: dict[str, str] = file.metadata() or {}
            tensors: dict[str, Any] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
    except safetensors.SafetensorError as err:
        raise StateRefused(f"{path}: expected a state that RecurrentState.save wrote; {err}") from err
    missing = {"format", "model", "sha256", "shape", "scenes", "last_day"} - told.keys()
    if missing or told["format"] != FORMAT:
        raise StateRefused(f"{path}: expected a state of format {FORMAT}; got {told.get('format', 'none')}")
    return told, tensors


def _hash_of(card: Card) -> str:
    return card.hashes.get(WEIGHTS, "")
