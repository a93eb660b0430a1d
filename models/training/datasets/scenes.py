"""One's own scenes with labels over them, cut into blocks of ground that lie on one side of the split each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.card import MASK_NODATA, LandClass
from models.errors import DataRefused
from models.training.chips import Chip
from models.training.datasets.pictures import PictureSource
from models.training.datasets.rasters import read_image
from models.training.datasets.scenes_files import OwnScene, find_scenes, name_some
from models.training.datasets.scenes_labels import Meaning, SceneTruth, Truth, find_labels, meaning_of, open_truth
from models.training.datasets.scenes_places import Places
from models.training.datasets.scenes_survey import Block, survey
from models.training.datasets.source import Picture
from models.training.datasets.split import fingerprint_named, held_out_groups
from models.training.scenes_config import ScenesConfig

PIXELS_PER_BUFFER = 1.5
"""A pixel's diagonal, so that not even a part of one is on both sides."""

BUFFERS_PER_BLOCK = 4


@dataclass(frozen=True)
class View:
    """A scene that labels meet."""

    scene: OwnScene
    truth: SceneTruth


class ScenesSource(PictureSource):
    """Scenes with labels (`ScenesConfig`); its pictures are blocks of ground as one scene shows them.

    Args:
        config: where scenes and labels are, and how to read them.
        classes: the legend.

    Raises:
        DataRefused: a scene or the labels cannot be used, they do not meet, or they cannot be split.
    """

    def __init__(self, config: ScenesConfig, classes: Sequence[LandClass]) -> None:
        meaning, label_files = meaning_of(config, classes), find_labels(config)
        scenes = find_scenes(config, label_files)
        truth = open_truth(config, meaning, label_files)
        views = _meeting(scenes, truth)
        places = _places(config, [view.scene for view in views])
        blocks = [(view, block) for view in views for block in survey(view.scene, view.truth, places, config)]
        sides = _sides(config, places, [block for _, block in blocks])
        pictures: dict[bool, list[Picture]] = {True: [], False: []}
        for view, block in blocks:
            if block.number in sides and block.kept:
                pictures[sides[block.number]].append(_picture(view, block, places, sides, config))
        seen = {view.scene.name for view in views}
        unseen = [scene for scene in scenes if scene.name not in seen]
        used = [view.scene for view in views]
        super().__init__(
            train=pictures[False],
            held_out=pictures[True],
            bands=config.roles,
            res_m=(min(one.res_m for one in used), max(one.res_m for one in used)),
            chip_px=config.chip_px,
            about=(
                f"{len(used)} scenes with labels; {sum(not side for side in sides.values())} blocks of "
                f"{places.block_m:g} m learned from, {sum(sides.values())} held out, {places.buffer_m:g} m between them"
            ),
            notes=(
                *truth.notes,
                *([f"{len(unseen)} scene(s) without labels left out: {name_some(unseen)}"] if unseen else []),
                *_one_sided(meaning, sides, [block for _, block in blocks]),
            ),
            fingerprint=fingerprint_named(_named([scene.path for scene in used], label_files)),
        )


def _meeting(scenes: Sequence[OwnScene], truth: Truth) -> list[View]:
    found = [(scene, truth.on(scene)) for scene in scenes]
    views = [View(scene, on) for scene, on in found if on is not None]
    if not views:
        raise DataRefused(
            f"the labels lie over none of the {len(scenes)} scene(s): labels at {truth.bounds_text()}; "
            f"{scenes[0].name} at {scenes[0].bounds_text()}; check the CRS of both"
        )
    return views


def _places(config: ScenesConfig, scenes: Sequence[OwnScene]) -> Places:
    coarsest = max(scene.res_m for scene in scenes)
    block_m = config.block_m or 2 * config.chip_px * coarsest
    buffer_m = max(config.buffer_m, PIXELS_PER_BUFFER * coarsest)
    if block_m < BUFFERS_PER_BLOCK * buffer_m:
        raise DataRefused(
            f"data.block_m: expected {BUFFERS_PER_BLOCK} times the buffer of {buffer_m:g} m or more; got {block_m:g} m"
        )
    return Places(block_m, buffer_m)


def _sides(config: ScenesConfig, places: Places, blocks: Sequence[Block]) -> dict[int, bool]:
    """Draw the blocks to hold out, among those that keep labels whatever becomes of their neighbours: True."""
    usable = sorted({block.number for block in blocks if block.kept})
    if not usable:
        raise DataRefused(
            "no labelled pixel is clear and away from the blocks' borders: the scenes are nodata where the labels lie, "
            f"or data.block_m ({places.block_m:g}) is too small for the labels"
        )
    try:
        held_out = held_out_groups([[str(one)] for one in usable], config.held_out, config.split_seed, of="block(s)")
    except DataRefused as err:
        raise DataRefused(f"{err}, or make the blocks smaller (data.block_m, now {places.block_m:g})") from err
    return {number: str(number) in held_out for number in usable}


def _picture(view: View, block: Block, places: Places, sides: Mapping[int, bool], config: ScenesConfig) -> Picture:
    """Return a block as a scene shows it; what is not the block's, or near the other side, is not there."""
    scene, (top, left, height, width) = view.scene, block.window

    def read(row: int, col: int, height: int, width: int) -> Chip:
        window = (top + row, left + col, height, width)
        x, clear = read_image(scene.path, scene.numbers, window, scale=config.scale, offset=config.offset)
        mine = _mine(scene, window, block.number, places, sides)
        clear &= mine
        target = np.where(mine, view.truth(*window), MASK_NODATA)
        return Chip(np.where(clear, x, 0)[None], clear[None], np.zeros(1, np.float32), target[None])

    lon, lat = places.middle(block.number)
    return Picture(f"{scene.name} at {lat:.4f} {lon:.4f}", (height, width), read)


def _mine(
    scene: OwnScene, window: tuple[int, int, int, int], number: int, places: Places, sides: Mapping[int, bool]
) -> NDArray[np.bool_]:
    """Tell which pixels are a block's and not within the buffer of a block on the other side."""
    lon, lat = scene.lonlat(*window)
    around = places.around(lon, lat)
    foreign = [one for one in np.unique(around).tolist() if sides.get(one, sides[number]) != sides[number]]
    return np.asarray((places.block(lon, lat) == number) & ~np.isin(around, foreign).any(axis=0))


def _one_sided(meaning: Meaning, sides: Mapping[int, bool], blocks: Sequence[Block]) -> list[str]:
    """Name the classes that only one side has."""
    notes = []
    for held_out, words in ((False, "to learn from"), (True, "held out")):
        seen = {number for block in blocks if sides.get(block.number) is held_out for number in block.classes}
        missing = [one.name for one in meaning.classes if one.id not in seen]
        if missing:
            notes.append(f"no block {words} has {', '.join(missing)}; another data.split_seed may do")
    return notes


def _named(scenes: Sequence[Path], labels: Sequence[Path]) -> dict[str, Path]:
    """Name files so that data that move as a whole keep their fingerprint."""
    return {f"{kind}/{number}/{path.name}": path for kind, paths in (("scene", scenes), ("labels", labels))
            for number, path in enumerate(paths)}  # fmt: skip
