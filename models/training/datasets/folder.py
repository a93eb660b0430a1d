"""Images and masks in a folder, checked before training starts, split by place, read window by window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.card import LandClass
from models.errors import DataRefused
from models.training.chips import Chip
from models.training.class_weights import ClassFrequencies
from models.training.data_config import FolderConfig
from models.training.datasets.pairs import Pair, find_pairs, shorten
from models.training.datasets.places import places
from models.training.datasets.rasters import Header, band_numbers, read_header, read_image, read_labels
from models.training.datasets.source import Picture, draw_window
from models.training.datasets.split import fingerprint_files, held_out_groups


@dataclass(frozen=True)
class _Usable:
    """A pair that can be learned from: where its bands are, and how large it is."""

    pair: Pair
    numbers: tuple[int, ...]
    header: Header


class FolderSource:
    """A folder of images with masks (`FolderConfig`).

    Args:
        config: where the files are, and how to read them.
        classes: the legend.

    Raises:
        DataRefused: nothing to learn from, files that do not fit together, or labels that the legend lacks.
    """

    def __init__(self, config: FolderConfig, classes: Sequence[LandClass]) -> None:
        self._config, self._classes = config, tuple(classes)
        usable, unfit = _sorted_out(find_pairs(config), config)
        _check_masks(usable, config, self._classes)
        alike = places([(one.pair.name, one.header) for one in usable])
        held_out = held_out_groups(alike, config.held_out, config.split_seed)
        self._split = {
            "train": [one for one in usable if one.pair.name not in held_out],
            "held-out": [one for one in usable if one.pair.name in held_out],
        }
        self.bands, self.res_m, self.per_draw = config.roles, config.res_m, 1
        self.about = (
            f"{len(self._split['train'])} images learned from, {len(held_out)} held out "
            f"({', '.join(sorted(held_out)[:12])}{', ...' if len(held_out) > 12 else ''})"
        )
        self.notes: tuple[str, ...] = (f"{len(unfit)} images left out: {shorten(unfit)}",) if unfit else ()
        files = [path for one in usable for path in (one.pair.image, one.pair.mask)]
        self.fingerprint = fingerprint_files(Path(config.folder).expanduser(), files)

    def draw(self, rng: np.random.Generator) -> list[Chip]:
        """Draw a window of an image, all images alike; see `Source`."""
        files = self._split["train"]
        return [draw_window(self._picture(files[int(rng.integers(len(files)))]), self._config.chip_px, rng)]

    def pictures(self, split: str) -> Sequence[Picture]:
        """Return the images of a split, or of both for `all`; see `Source`."""
        files = [one for name, ones in self._split.items() if split in (name, "all") for one in ones]
        return [self._picture(one) for one in files]

    def frequencies(self, classes: int) -> ClassFrequencies:
        """Count the classes of the training masks; see `Source`."""
        counted = ClassFrequencies(classes)
        for one in self._split["train"]:
            target, _ = read_labels(one.pair.mask, None, self._config.labels, self._config.void, classes)
            counted.add(target, target < classes)
        return counted

    def _picture(self, one: _Usable) -> Picture:
        def read(row: int, col: int, height: int, width: int) -> Chip:
            window, config = (row, col, height, width), self._config
            x, clear = read_image(one.pair.image, one.numbers, window, scale=config.scale, offset=config.offset)
            target, _ = read_labels(one.pair.mask, window, config.labels, config.void, len(self._classes))
            return Chip(x[None], clear[None], np.zeros(1, np.float32), target[None])

        return Picture(one.pair.name, one.header.shape, read)


def _sorted_out(pairs: list[Pair], config: FolderConfig) -> tuple[list[_Usable], list[str]]:
    """Tell the pairs whose image has the bands from those whose image has not."""
    usable, unfit = [], []
    for pair in pairs:
        header = read_header(pair.image)
        numbers = band_numbers(header, config.bands)
        if isinstance(numbers, str):
            unfit.append(f"{pair.name} ({numbers})")
        else:
            usable.append(_Usable(pair, numbers, header))
    most = max(Counter(_described(one) for one in usable).items(), key=lambda item: item[1], default=((), 0))[0]
    odd = [one for one in usable if _described(one) != most]
    unfit += [f"{one.pair.name} (described as {', '.join(_described(one))}; most as {', '.join(most)})" for one in odd]
    usable = [one for one in usable if _described(one) == most]
    if unfit and (config.unfit == "refuse" or not usable):
        raise DataRefused(
            f"{len(unfit)} of {len(pairs)} images lack the bands {', '.join(config.roles)}: {shorten(unfit)}; number "
            'the bands (data.bands = {blue = 1, ...}), leave files out (data.exclude), or set data.unfit = "skip"'
        )
    return usable, unfit


def _described(one: _Usable) -> tuple[str, ...]:
    return tuple(one.header.descriptions[number - 1] for number in one.numbers)


def _check_masks(usable: list[_Usable], config: FolderConfig, classes: tuple[LandClass, ...]) -> None:
    """Refuse masks of another size or grid than their image, and labels that mean no class."""
    ids = {c.id for c in classes}
    stray = sorted(set(config.labels.values()) - ids)
    legend = ", ".join(f"{c.id} {c.name}" for c in classes)
    if stray:
        raise DataRefused(f"data.labels: expected class ids of the legend ({legend}); got {', '.join(map(str, stray))}")
    for one in usable:
        image, mask, name = one.header, read_header(one.pair.mask), one.pair.mask.name
        if mask.count != 1:
            raise DataRefused(f"{one.pair.name}: its mask {name} has {mask.count} bands; expected one, of class ids")
        if mask.shape != image.shape or (image.grid and mask.grid and image.grid != mask.grid):
            raise DataRefused(
                f"{one.pair.name} ({image.shape[0]} x {image.shape[1]}) and its mask {name} "
                f"({mask.shape[0]} x {mask.shape[1]}) lie on different grids; warp the mask to the image "
                "(`gdalwarp -r near -te ... -ts ...`)"
            )
        _, unknown = read_labels(one.pair.mask, None, config.labels, config.void, len(classes))
        if unknown:
            value, pixels = next(iter(unknown.items()))
            raise DataRefused(
                f"{one.pair.name}: its mask {name} holds {value:g} ({pixels} px), which is no class of the legend "
                f"({legend}); say which it is (data.labels = {{{value:g} = 0}}) or that it does not count "
                f"(data.void = [{value:g}])"
            )
