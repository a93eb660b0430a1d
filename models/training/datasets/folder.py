"""Images and masks in a folder, checked before training starts, split by place, read window by window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from models.card import MASK_NODATA, LandClass
from models.errors import DataRefused
from models.training.data_config import FolderConfig
from models.training.datasets.labels import LabelCode
from models.training.datasets.paired import PairedImage, check_pairs, legend_text, paired_picture
from models.training.datasets.pairs import Pair, find_pairs, shorten
from models.training.datasets.pictures import PictureSource
from models.training.datasets.places import places
from models.training.datasets.rasters import band_numbers, read_header
from models.training.datasets.split import fingerprint_files, held_out_groups

REMEDY = "say which it is (data.labels = {{{label} = 0}}) or that it does not count (data.void = [{label}])"


class FolderSource(PictureSource):
    """A folder of images with masks (`FolderConfig`).

    Args:
        config: where the files are, and how to read them.
        classes: the legend.

    Raises:
        DataRefused: nothing to learn from, files that do not fit together, or labels that the legend lacks.
    """

    def __init__(self, config: FolderConfig, classes: Sequence[LandClass]) -> None:
        usable, unfit = _sorted_out(find_pairs(config), config)
        code = _code(config, classes)
        check_pairs(usable, code, classes, REMEDY)
        alike = places([(one.pair.name, one.header) for one in usable])
        held_out = held_out_groups(alike, config.held_out, config.split_seed)
        named = {one.pair.name: paired_picture(one, code, scale=config.scale, offset=config.offset) for one in usable}
        super().__init__(
            train=[picture for name, picture in named.items() if name not in held_out],
            held_out=[picture for name, picture in named.items() if name in held_out],
            bands=config.roles,
            res_m=config.res_m,
            chip_px=config.chip_px,
            about=(
                f"{len(usable) - len(held_out)} images learned from, {len(held_out)} held out "
                f"({', '.join(sorted(held_out)[:12])}{', ...' if len(held_out) > 12 else ''})"
            ),
            notes=(f"{len(unfit)} images left out: {shorten(unfit)}",) if unfit else (),
            fingerprint=fingerprint_files(
                Path(config.folder).expanduser(), [path for one in usable for path in (one.pair.image, one.pair.mask)]
            ),
        )


def _code(config: FolderConfig, classes: Sequence[LandClass]) -> LabelCode:
    stray = sorted(set(config.labels.values()) - {c.id for c in classes})
    if stray:
        raise DataRefused(
            f"data.labels: expected class ids of the legend ({legend_text(classes)}); got {', '.join(map(str, stray))}"
        )
    known = config.labels or {c.id: c.id for c in classes}
    return LabelCode(dict.fromkeys(config.void, MASK_NODATA) | known)


def _sorted_out(pairs: list[Pair], config: FolderConfig) -> tuple[list[PairedImage], list[str]]:
    """Tell the pairs whose image has the bands from those whose image has not."""
    usable, unfit = [], []
    for pair in pairs:
        header = read_header(pair.image)
        numbers = band_numbers(header, config.bands)
        if isinstance(numbers, str):
            unfit.append(f"{pair.name} ({numbers})")
        else:
            usable.append(PairedImage(pair, numbers, header))
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


def _described(one: PairedImage) -> tuple[str, ...]:
    return tuple(one.header.descriptions[number - 1] for number in one.numbers)
