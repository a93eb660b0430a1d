"""Looking once over a scene: which blocks of ground it shows, and which of them have labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.card import MASK_NODATA
from models.training.datasets.rasters import read_image
from models.training.datasets.scenes_files import OwnScene
from models.training.datasets.scenes_labels import SceneTruth
from models.training.datasets.scenes_places import Places
from models.training.scenes_config import ScenesConfig

TILE_PX = 512


@dataclass(frozen=True)
class Block:
    """A block of ground as one scene shows it.

    Attributes:
        number: of the block.
        top, left, bottom, right: of its pixels in the scene.
        kept: clear pixels with a label that are farther from the block's border than the buffer.
        classes: ids of the clear pixels with a label.
    """

    number: int
    top: int
    left: int
    bottom: int
    right: int
    kept: int
    classes: frozenset[int]

    @property
    def window(self) -> tuple[int, int, int, int]:
        """(row, col, height, width) in the scene."""
        return self.top, self.left, self.bottom - self.top, self.right - self.left

    def joined(self, other: Block) -> Block:
        """Join what another part of the scene shows of the same block."""
        return Block(
            self.number, min(self.top, other.top), min(self.left, other.left), max(self.bottom, other.bottom),
            max(self.right, other.right), self.kept + other.kept, self.classes | other.classes,
        )  # fmt: skip


def survey(scene: OwnScene, truth: SceneTruth, places: Places, config: ScenesConfig) -> list[Block]:
    """Find the blocks of a scene, tile by tile, in the order of their numbers.

    Raises:
        DataRefused: the scene cannot be read, or labels mean nothing.
    """
    found: dict[int, Block] = {}
    height, width = scene.shape
    for row in range(0, height, TILE_PX):
        for col in range(0, width, TILE_PX):
            window = (row, col, min(TILE_PX, height - row), min(TILE_PX, width - col))
            target = truth(*window)
            if (target != MASK_NODATA).any():
                _, clear = read_image(scene.path, scene.numbers, window, scale=config.scale, offset=config.offset)
                target = np.where(clear, target, MASK_NODATA)
            for block in _blocks(scene, window, target, places):
                known = found.get(block.number)
                found[block.number] = block if known is None else known.joined(block)
    return [found[number] for number in sorted(found)]


def _blocks(
    scene: OwnScene, window: tuple[int, int, int, int], target: NDArray[np.int64], places: Places
) -> list[Block]:
    lon, lat = scene.lonlat(*window)
    numbers = places.block(lon, lat)
    inside = (places.around(lon, lat) == numbers).all(axis=0)
    blocks = []
    for number in np.unique(numbers).tolist():
        mine = numbers == number
        rows, cols = np.flatnonzero(mine.any(axis=1)), np.flatnonzero(mine.any(axis=0))
        labelled = mine & (target != MASK_NODATA)
        classes = frozenset(np.unique(target[labelled]).tolist())
        blocks.append(Block(
            number, window[0] + int(rows[0]), window[1] + int(cols[0]), window[0] + int(rows[-1]) + 1,
            window[1] + int(cols[-1]) + 1, int((labelled & inside).sum()), classes,
        ))  # fmt: skip
    return blocks
