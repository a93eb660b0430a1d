"""TensorBoard logs: losses by step, scores, and held-out pictures beside truth and mask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.card import MASK_NODATA, LandClass
from models.errors import BoardUnavailable
from models.training.watching import Event, Example, Saved, Scored, Started, Stepped, Watcher

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

NATURAL = ("red", "green", "blue")
GAP_PX = 2


@contextmanager
def open_board(folder: Path) -> Iterator[Watcher]:
    """Open the logs of a run; what they say of steps that are walked again is replaced.

    Args:
        folder: of the logs, for `tensorboard --logdir`.

    Raises:
        BoardUnavailable: the package tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as err:
        raise BoardUnavailable(
            "TensorBoard logs need the package tensorboard: pip install 'chronoseg[train]', or train with --no-board"
        ) from err
    board = _Board(folder, SummaryWriter)
    try:
        yield board.watch
    finally:
        board.close()


class _Board:
    def __init__(self, folder: Path, kind: type[SummaryWriter]) -> None:
        self._folder, self._kind = folder, kind
        self._writer: SummaryWriter | None = None
        self._bands, self._classes = tuple[str, ...](), tuple[LandClass, ...]()

    def watch(self, event: Event) -> None:
        """Write an event down."""
        if isinstance(event, Started):
            self._bands, self._classes = event.card.bands, event.card.classes
            self._writer = self._kind(str(self._folder), purge_step=event.done + 1)
        if self._writer is None:
            return
        if isinstance(event, Stepped):
            for name, value in {"sum": event.loss, **event.terms}.items():
                self._add(f"loss/{name}", value, event.step)
            self._add("rate", event.rate, event.step)
        elif isinstance(event, Scored):
            for name, value in event.scores.items():
                self._add(f"held out/{name}", value, event.step)
            for number, example in enumerate(event.examples):
                picture = example_picture(example, self._bands, self._classes)
                self._writer.add_image(f"held out/{number}", picture, event.step, dataformats="HWC")
        elif isinstance(event, Saved):
            self._writer.flush()

    def close(self) -> None:
        """Write out what is left."""
        if self._writer is not None:
            self._writer.close()

    def _add(self, name: str, value: float, step: int) -> None:
        if self._writer is not None:
            self._writer.add_scalar(name, value, step)


def example_picture(example: Example, bands: Sequence[str], classes: Sequence[LandClass]) -> NDArray[np.uint8]:
    """Lay image, truth and mask side by side: (H, 3 W + 2 gaps, 3); classes in their colours, black where unknown.

    The image is stretched so that the pixels with a mask show well: clouds are left to be as bright as they are.
    """
    natural = [bands.index(role) for role in NATURAL] if set(NATURAL) <= set(bands) else [0, 0, 0]
    shown = example.reflectance[natural].transpose(1, 2, 0)
    masked = example.mask != MASK_NODATA
    low, high = np.percentile(shown[masked] if masked.any() else shown, (2, 98))
    image = np.clip((shown - low) / max(float(high - low), 1e-6) * 255, 0, 255).astype(np.uint8)
    palette = np.zeros((MASK_NODATA + 1, 3), np.uint8)
    for one in classes:
        palette[one.id] = [int(one.color[at : at + 2], 16) for at in (1, 3, 5)]
    gap = np.full((len(image), GAP_PX, 3), 255, np.uint8)
    return np.concatenate([image, gap, palette[example.truth], gap, palette[example.mask]], axis=1)
