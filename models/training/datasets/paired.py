"""Images with a label file each: what fits together, and both read window by window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.card import LandClass
from models.errors import DataRefused
from models.training.chips import Chip
from models.training.datasets.labels import LabelCode, label_header, read_classes
from models.training.datasets.pairs import Pair
from models.training.datasets.rasters import Header, read_image
from models.training.datasets.source import Picture

NAMED = 20


@dataclass(frozen=True)
class PairedImage:
    """A pair that can be learned from: where its bands are, and how large it is."""

    pair: Pair
    numbers: tuple[int, ...]
    header: Header


def legend_text(classes: Sequence[LandClass]) -> str:
    """Name the classes of a legend, the first of them where there are many, for an error."""
    more = len(classes) - NAMED
    return ", ".join(f"{c.id} {c.name}" for c in classes[:NAMED]) + (f" and {more} more" if more > 0 else "")


def check_pairs(images: Sequence[PairedImage], code: LabelCode, classes: Sequence[LandClass], remedy: str) -> None:
    """Read all labels once, and refuse what cannot be learned from.

    Args:
        images: to check.
        code: what labels mean.
        classes: the legend.
        remedy: what to do about a label that means nothing; `{label}` stands for it.

    Raises:
        DataRefused: labels of another size or grid than their image, of many bands, or that mean nothing.
    """
    for one in images:
        image, pair = one.header, one.pair
        mask, name = label_header(pair.mask, page=pair.page), pair.mask.name
        if mask.count != 1 and not (code.colors and mask.count in (3, 4)):
            expected = "one, of class ids" + (", or the three of a colour" if code.colors else "")
            raise DataRefused(f"{pair.name}: its mask {name} has {mask.count} bands; expected {expected}")
        if mask.shape != image.shape or (image.grid and mask.grid and image.grid != mask.grid):
            raise DataRefused(
                f"{pair.name} ({image.shape[0]} x {image.shape[1]}) and its mask {name} "
                f"({mask.shape[0]} x {mask.shape[1]}) lie on different grids; warp the mask to the image "
                "(`gdalwarp -r near -te ... -ts ...`)"
            )
        _, unknown = read_classes(pair.mask, None, code, page=pair.page)
        if unknown:
            label, pixels = next(iter(unknown.items()))
            raise DataRefused(
                f"{pair.name}: its mask {name} holds {label} ({pixels} px), which is no class of the legend "
                f"({legend_text(classes)}); {remedy.format(label=label)}"
            )


def paired_picture(one: PairedImage, code: LabelCode, *, scale: float, offset: float) -> Picture:
    """Return an image and its labels as a picture of no date; reflectance = value x scale + offset."""

    def read(row: int, col: int, height: int, width: int) -> Chip:
        window, pair = (row, col, height, width), one.pair
        x, clear = read_image(pair.image, one.numbers, window, scale=scale, offset=offset, page=pair.page)
        target, _ = read_classes(pair.mask, window, code, page=pair.page)
        return Chip(x[None], clear[None], np.zeros(1, np.float32), target[None])

    return Picture(one.pair.name, one.header.shape, read)
