"""Scores of a checkpoint on pictures of any size, run as a job runs it: block by block, with their halo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.card import MASK_NODATA
from models.engine import Engine
from models.errors import DataRefused
from models.training.calibration import Calibration
from models.training.chips import Chip
from models.training.datasets.source import Picture
from models.training.metrics import Confusion

BLOCK_PX = 512


@dataclass(frozen=True)
class PictureScores:
    """What `evaluate_pictures` found.

    Attributes:
        pictures, pixels: how many were scored; pixels are those that are clear and whose truth is known.
        confusion: counts of true and given classes.
        calibration: confidence against accuracy.
        by_picture: mean IoU of each picture by its name, NaN without a pixel that counts.
    """

    pictures: int
    pixels: int
    confusion: Confusion
    calibration: Calibration
    by_picture: dict[str, float]

    def told(self, names: Sequence[str]) -> dict[str, float]:
        """Return the scores by name; `names` are those of the classes."""
        scores = self.confusion.scores() | {"calibration_error": self.calibration.error()}
        for number, name in enumerate(names):
            scores |= {f"iou {name}": self.confusion.iou(number), f"f1 {name}": self.confusion.f1(number)}
        return scores


def evaluate_pictures(engine: Engine, pictures: Sequence[Picture]) -> PictureScores:
    """Score a network on pictures.

    Args:
        engine: of any family; a recurrent network sees each picture as the first and only date.
        pictures: with the bands of the engine's card.

    Raises:
        DataRefused: there is no picture.
    """
    if not pictures:
        raise DataRefused("there is no picture to score on in this split; give --split all, or other data")
    classes = len(engine.card.classes)
    whole, calibration, by_picture = Confusion(classes), Calibration(classes), dict[str, float]()
    for picture in pictures:
        one = Confusion(classes)
        for chip, probs in _blocks(engine, picture):
            valid = chip.clear[0] & (chip.target[0] != MASK_NODATA)
            one.add(chip.target[0], probs.argmax(0), valid)
            calibration.add(np.clip(probs, 0, 1), chip.target[0], valid)
        whole.counts += one.counts
        by_picture[picture.name] = one.mean_iou()
    return PictureScores(len(pictures), int(whole.counts.sum()), whole, calibration, by_picture)


def _blocks(engine: Engine, picture: Picture) -> Iterator[tuple[Chip, NDArray[np.float32]]]:
    """Yield blocks of a picture and their probabilities (K, H, W); blocks at its edges are cut there."""
    stride, halo = engine.card.stride_px, engine.card.halo_px
    side = max(BLOCK_PX // stride, 1) * stride
    for row in range(0, picture.shape[0], side):
        for col in range(0, picture.shape[1], side):
            height, width = min(side, picture.shape[0] - row), min(side, picture.shape[1] - col)
            rows, cols = (-(-size // stride) * stride + 2 * halo for size in (height, width))
            chip = picture.window(row - halo, col - halo, rows, cols)
            state = engine.start(rows, cols)
            _, probs = engine.step(state, chip.reflectance[0], chip.clear[0], int(chip.days[0]))
            yield picture.window(row, col, height, width), probs[:, halo : halo + height, halo : halo + width]
