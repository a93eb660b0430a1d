"""Scores of a checkpoint on pictures of any size, run as a job runs it: block by block, with their halo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile

import numpy as np
from numpy.typing import NDArray

from models.card import MASK_NODATA
from models.engine import Engine
from models.errors import DataRefused
from models.training.boundary_f1 import windows_with_cores
from models.training.chips import Chip
from models.training.datasets.source import Picture
from models.training.metrics import Confusion
from models.training.scorecard import Scorecard
from models.training.watching import Example

BLOCK_PX = 512
CHIP_PX = 256
"""Edge of the chips that are ranked; at a picture's edge they are cut."""


@dataclass(frozen=True)
class Block:
    """Where a block lies, its pixels and truth, and its probabilities (K, H, W)."""

    row: int
    col: int
    chip: Chip
    probs: NDArray[np.float32]


@dataclass(frozen=True)
class PictureScores:
    """What `evaluate_pictures` found.

    Attributes:
        pictures, pixels: how many were scored; pixels are those that are clear and whose truth is known.
        scores: of all pictures together.
        by_picture: mean IoU of each picture by its name, NaN without a pixel that counts.
    """

    pictures: int
    pixels: int
    scores: Scorecard
    by_picture: dict[str, float]


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
    scores, by_picture = Scorecard(engine.card.classes), dict[str, float]()
    for picture in pictures:
        one = _score(scores, engine, picture)
        scores.confusion.counts += one.counts
        by_picture[picture.name] = one.mean_iou()
    return PictureScores(len(pictures), int(scores.confusion.counts.sum()), scores, by_picture)


def blocks(engine: Engine, picture: Picture, *, block_px: int = BLOCK_PX) -> Iterator[Block]:
    """Yield a picture's blocks as a job would run them, one date each; blocks at its edges are cut there."""
    stride, halo = engine.card.stride_px, engine.card.halo_px
    side = max(block_px // stride, 1) * stride
    for row in range(0, picture.shape[0], side):
        for col in range(0, picture.shape[1], side):
            height, width = min(side, picture.shape[0] - row), min(side, picture.shape[1] - col)
            rows, cols = (-(-size // stride) * stride + 2 * halo for size in (height, width))
            chip = picture.window(row - halo, col - halo, rows, cols)
            state = engine.start(rows, cols)
            _, probs = engine.step(state, chip.reflectance[0], chip.clear[0], int(chip.days[0]))
            core = probs[:, halo : halo + height, halo : halo + width]
            yield Block(row, col, picture.window(row, col, height, width), core)


def _score(scores: Scorecard, engine: Engine, picture: Picture) -> Confusion:
    """Add a picture to the scores, but for its confusion, which is returned."""
    one = Confusion(len(engine.card.classes))
    with TemporaryFile() as file:  # the mask of a picture of any size, for boundaries that cross blocks
        mask = np.memmap(file, np.uint8, "w+", shape=picture.shape)
        for block in blocks(engine, picture, block_px=BLOCK_PX):
            chip, given = block.chip, block.probs.argmax(0).astype(np.uint8)
            valid = _valid(chip)
            one.add(chip.target[0], given, valid)
            scores.calibration.add(np.clip(block.probs, 0, 1), chip.target[0], valid)
            height, width = given.shape
            mask[block.row : block.row + height, block.col : block.col + width] = given
            _rank(scores, picture.name, block, given, valid)
        _score_boundaries(scores, picture, mask)
    return one


def _rank(scores: Scorecard, name: str, block: Block, given: NDArray[np.uint8], valid: NDArray[np.bool_]) -> None:
    """Rank a block, chip by chip."""
    chip = block.chip
    for row in range(0, given.shape[0], CHIP_PX):
        for col in range(0, given.shape[1], CHIP_PX):
            at = slice(row, row + CHIP_PX), slice(col, col + CHIP_PX)
            place = f"{name}, row {block.row + row}, col {block.col + col}"
            mask = np.where(chip.clear[0], given, MASK_NODATA)[at]
            scores.extremes.add(Example(place, chip.reflectance[0][:, *at], chip.target[0][at], mask), valid[at])


def _score_boundaries(scores: Scorecard, picture: Picture, mask: NDArray[np.uint8]) -> None:
    height, width = picture.shape
    for part in windows_with_cores(height, width, side_px=BLOCK_PX, margin_px=scores.boundary.margin_px):
        rows, cols = part.window
        chip = picture.window(rows.start, cols.start, rows.stop - rows.start, cols.stop - cols.start)
        scores.boundary.add(chip.target[0], mask[part.window], _valid(chip), image=picture.name, core=part.core)


def _valid(chip: Chip) -> NDArray[np.bool_]:
    valid: NDArray[np.bool_] = chip.clear[0] & (chip.target[0] != MASK_NODATA)
    return valid
