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
    """

    name: str
    image: Path
    mask: Path


def find_pairs(config: FolderConfig) -> list[Pair]:
    """Find the pairs of a folder, in the order of their names.

    Raises:
        DataRefused: no such folder, no image matches, or an image has no mask.
    """
    folder = Path(config.folder).expanduser()
    if not folder.is_dir():
        raise DataRefused(f"data.folder: expected a folder; {folder} is none; name it in [data], or give --data FOLDER")
    texts = re.compile("".join(_as_regex(part) for part in re.split(r"([*?])", config.images)))
    found = []
    for image in sorted(folder.glob(config.images)):
        name = image.relative_to(folder).as_posix()
        match = texts.fullmatch(name)
        if image.is_file() and match is not None and not any(fnmatchcase(name, one) for one in config.exclude):
            found.append((name, image, folder / _filled(config.masks, match.groups())))
    masks = {mask for _, _, mask in found if mask.is_file()}
    images = [one for one in found if one[1] not in masks]  # *.tif finds a_mask.tif too
    if not images:
        raise DataRefused(f"{folder}: no file matches data.images = {config.images!r}{_there_is(folder)}")
    alone = [f"{name} ({mask.relative_to(folder)})" for name, _, mask in images if mask not in masks]
    if alone:
        raise DataRefused(
            f"{folder}: {len(alone)} of {len(images)} images have no mask where data.masks = {config.masks!r} says it "
            f"is: {shorten(alone)}; add the masks, or leave the images out with data.exclude"
        )
    return [Pair(*one) for one in images]


def shorten(items: list[str]) -> str:
    """Join a few of many items."""
    more = len(items) - SHOWN
    return ", ".join(items[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _as_regex(part: str) -> str:
    return {"*": "([^/]*)", "?": "[^/]"}.get(part) or re.escape(part)


def _filled(pattern: str, texts: tuple[str, ...]) -> str:
    parts = pattern.split("*")
    return "".join(part + text for part, text in zip(parts, (*texts, ""), strict=True))


def _there_is(folder: Path) -> str:
    there = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*"))
    return f"; there is {shorten(there)}" if there else "; the folder is empty"
