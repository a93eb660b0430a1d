"""Finding images and masks that belong together by their names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from models.errors import DataRefused
from models.training.data_config import FolderConfig

SHOWN = 4


@dataclass(frozen=True)
class Pair:
    """An image and its mask.

    Attributes:
        name: of the image, under the data set's folder.
        page: of both files, from 1, where they are TIFFs of many; else 0.
    """

    name: str
    image: Path
    mask: Path
    page: int = 0


def find_pairs(config: FolderConfig) -> list[Pair]:
    """Find the pairs of a folder, in the order of their names.

    Raises:
        DataRefused: no such folder, no image matches, or an image has no mask.
    """
    folder = Path(config.folder).expanduser()
    if not folder.is_dir():
        raise DataRefused(f"data.folder: expected a folder; {folder} is none; name it in [data], or give --data FOLDER")
    pairs = matching(folder, config.images, config.masks, config.exclude)
    if not pairs:
        raise DataRefused(f"{folder}: no file matches data.images = {config.images!r}{there_is(folder)}")
    alone = [f"{one.name} ({one.mask.relative_to(folder)})" for one in pairs if not one.mask.is_file()]
    if alone:
        raise DataRefused(
            f"{folder}: {len(alone)} of {len(pairs)} images have no mask where data.masks = {config.masks!r} says it "
            f"is: {shorten(alone)}; add the masks, or leave the images out with data.exclude"
        )
    return pairs


def matching(folder: Path, images: str, masks: str, exclude: tuple[str, ...] = ()) -> list[Pair]:
    """Match images with where their masks should be, in the order of their names.

    Args:
        folder: of both.
        images: pattern under it.
        masks: pattern under it; each * of `images` stands for the same text here.
        exclude: names of images (patterns) to leave out.
    """
    texts = re.compile("".join(_as_regex(part) for part in re.split(r"([*?])", images)))
    found = []
    for image in sorted(folder.glob(images)):
        name = image.relative_to(folder).as_posix()
        match = texts.fullmatch(name)
        if image.is_file() and match is not None and not any(fnmatchcase(name, one) for one in exclude):
            found.append(Pair(name, image, folder / _filled(masks, match.groups())))
    there = {one.mask for one in found if one.mask.is_file()}
    return [one for one in found if one.image not in there]  # *.tif finds a_mask.tif too


def shorten(items: list[str]) -> str:
    """Join a few of many items."""
    more = len(items) - SHOWN
    return ", ".join(items[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _as_regex(part: str) -> str:
    return {"*": "([^/]*)", "?": "[^/]"}.get(part) or re.escape(part)


def _filled(pattern: str, texts: tuple[str, ...]) -> str:
    parts = pattern.split("*")
    return "".join(part + text for part, text in zip(parts, (*texts, ""), strict=True))


def there_is(folder: Path) -> str:
    """Name a few of the things in a folder, for an error."""
    there = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*"))
    return f"; there is {shorten(there)}" if there else "; the folder is empty"
