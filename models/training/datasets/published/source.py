"""One reader for all published data sets of images with labels, driven by their specification."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from models.card import MASK_NODATA, LandClass
from models.errors import DataRefused
from models.training.data_config import PublishedConfig
from models.training.datasets.labels import LabelCode
from models.training.datasets.paired import PairedImage, check_pairs, legend_text, paired_picture
from models.training.datasets.pairs import Pair, shorten
from models.training.datasets.pictures import PictureSource
from models.training.datasets.places import places
from models.training.datasets.published.find import find_published
from models.training.datasets.published.layout import RGB, Layout
from models.training.datasets.published.layouts import LAYOUTS
from models.training.datasets.rasters import read_header
from models.training.datasets.split import fingerprint_files, held_out_groups

NUMBER_AND_NAME = re.compile(r"\s*(\d+)\s*:\s*(.+?)\s*")


class PublishedSource(PictureSource):
    """A published data set (`PublishedConfig`), the authors' validation images held out.

    Args:
        config: which, and where.
        classes: the legend, of as many classes as the data set has.

    Raises:
        DataRefused: something is not where the layout has it, or is not what it should be.
    """

    def __init__(self, config: PublishedConfig, classes: Sequence[LandClass]) -> None:
        layout = LAYOUTS[config.layout]
        if len(classes) != len(layout.classes):
            raise DataRefused(
                f"{config.layout}: expected a legend of its {len(layout.classes)} classes; got {legend_text(classes)}; "
                "leave out theme and legend to have its own"
            )
        found = find_published(config.layout, layout, Path(config.folder).expanduser())
        code = label_code(config.layout, layout, found.root)
        every = [_opened(config.layout, layout, pair) for pairs in found.pairs.values() for pair in pairs]
        check_pairs(every, code, classes, f"expected labels as {layout.title} publishes them")
        held_out = {pair.name for pair in found.pairs.get("held-out", [])}
        if layout.splits is None:
            alike = places([(one.pair.name, one.header) for one in every])
            held_out = held_out_groups(alike, config.held_out, config.split_seed)
        named = [(one.pair.name, paired_picture(one, code, scale=layout.scale, offset=0.0)) for one in every]
        files = {path for one in every for path in (one.pair.image, one.pair.mask)}
        files |= {found.root / layout.names} if layout.names else set()
        super().__init__(
            train=[picture for name, picture in named if name not in held_out],
            held_out=[picture for name, picture in named if name in held_out],
            bands=layout.bands,
            res_m=layout.res_m,
            chip_px=config.chip_px,
            about=(
                f"{layout.title}: {len(every) - len(held_out)} images learned from, {len(held_out)} held out, "
                + (f"the authors' {layout.splits[1]}" if layout.splits else shorten(sorted(held_out)))
            ),
            notes=(),
            fingerprint=fingerprint_files(found.root, sorted(files)),
        )


def label_code(name: str, layout: Layout, root: Path) -> LabelCode:
    """Return what a data set's labels mean.

    Raises:
        DataRefused: its file of names lacks one of its classes.
    """
    values = layout.values or {number: number for number in range(len(layout.classes))}
    if layout.names:
        values = _named(name, layout, root / layout.names)
    return LabelCode(
        dict.fromkeys(layout.void, MASK_NODATA) | dict(values),
        {int(color[1:], 16): MASK_NODATA for color in layout.void_colors}
        | {int(color[1:], 16): number for color, number in layout.colors.items()},
        layout.other,
    )


def _named(name: str, layout: Layout, path: Path) -> dict[int, int]:
    """Read the numbers of the classes; a class that has none is the one of all other labels."""
    lines = [NUMBER_AND_NAME.fullmatch(line) for line in path.read_text().splitlines() if line.strip()]
    numbers = {match[2].replace(" ", ""): int(match[1]) for match in lines if match is not None}
    wanted = {
        text.replace(" ", ""): number for number, (text, _) in enumerate(layout.classes) if number != layout.other
    }
    missing = [text for text in wanted if text not in numbers]
    if missing:
        raise DataRefused(
            f"{name}: {path} names no {shorten(missing)}; expected `number: name` a line, as in the file that comes "
            f"with {layout.title}"
        )
    return {numbers[text]: number for text, number in wanted.items()}


def _opened(name: str, layout: Layout, pair: Pair) -> PairedImage:
    """Read what an image says of itself; a grey photograph among coloured ones has one band for all three."""
    header = read_header(pair.image, pair.page)
    numbers = tuple(range(1, len(layout.bands) + 1))
    if header.count == 1 and layout.bands == RGB:
        numbers = (1, 1, 1)
    elif header.count < len(layout.bands):
        raise DataRefused(
            f"{name}: {pair.name} has {header.count} band(s); expected {len(layout.bands)}, {', '.join(layout.bands)}"
        )
    return PairedImage(pair, numbers, header)
