"""Finding a published data set's files where its layout has them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from models.errors import DataRefused
from models.training.datasets.pairs import Pair, matching, shorten, there_is
from models.training.datasets.published.layout import Layout
from models.training.datasets.rasters import count_pages


@dataclass(frozen=True)
class Found:
    """A data set's files.

    Attributes:
        root: where the data begin.
        pairs: by split, `train` and `held-out`; all are in `train` where the authors give no split.
    """

    root: Path
    pairs: dict[str, list[Pair]]


def find_published(name: str, layout: Layout, folder: Path) -> Found:
    """Find the files of a data set.

    Args:
        name: that the configuration gives it, for errors.
        layout: of the data set.
        folder: that holds it.

    Raises:
        DataRefused: something is not where the layout has it; the message says what was expected where.
    """
    if not folder.is_dir():
        raise DataRefused(f"data.folder: expected a folder; {folder} is none; name it in [data], or give --data FOLDER")
    root = _root(name, layout, folder)
    if layout.names and not (root / layout.names).is_file():
        raise _refusal(name, layout, root, f"{layout.names} is not there")
    if layout.paged:
        return Found(root, {"train": _pages(name, layout, root)})
    splits = layout.splits or ("",)
    sides = ("train", "held-out")[: len(splits)]
    pairs = {side: _of_split(name, layout, root, split) for side, split in zip(sides, splits, strict=True)}
    both = {one.image for one in pairs["train"]} & {one.image for one in pairs.get("held-out", [])}
    if both:
        raise _refusal(name, layout, root, f"{len(both)} images are in both splits: {shorten(_names(root, both))}")
    return Found(root, pairs)


def _root(name: str, layout: Layout, folder: Path) -> Path:
    """Find where the data begin: the first place that has what all paths of the layout begin with."""
    first = (layout.lists or layout.images).format(split=layout.splits[0] if layout.splits else "")
    for inner in layout.within:
        if next((folder / inner).glob(first), None) is not None:
            return folder / inner
    raise _refusal(name, layout, folder, f"{first} is not there")


def _of_split(name: str, layout: Layout, root: Path, split: str) -> list[Pair]:
    images, labels = layout.images.format(split=split), layout.labels.format(split=split)
    if layout.lists:
        listed = root / layout.lists.format(split=split)
        if not listed.is_file():
            raise _refusal(name, layout, root, f"{layout.lists.format(split=split)} is not there")
        stems = [PurePosixPath(line.split()[0]).stem for line in listed.read_text().splitlines() if line.strip()]
        filled = [(images.replace("*", stem), root / labels.replace("*", stem)) for stem in stems]
        pairs = [Pair(image, root / image, label) for image, label in filled]
        where = layout.lists.format(split=split)
    else:
        pairs, where = matching(root, images, labels), images
    if not pairs:
        raise _refusal(name, layout, root, f"{where} names no image" if layout.lists else f"nothing matches {images}")
    for kind, paths in (("images", [one.image for one in pairs]), ("label files", [one.mask for one in pairs])):
        missing = {path for path in paths if not path.is_file()}
        if missing:
            told = f"{len(missing)} of {len(pairs)} {kind} of {where} are not there: {shorten(_names(root, missing))}"
            raise _refusal(name, layout, root, told)
    return pairs


def _pages(name: str, layout: Layout, root: Path) -> list[Pair]:
    images, labels = root / layout.images, root / layout.labels
    if not labels.is_file():
        raise _refusal(name, layout, root, f"{layout.labels} is not there")
    pages = count_pages(images)
    if pages < 2 or count_pages(labels) != pages:
        raise _refusal(
            name, layout, root,
            f"{layout.images} has {pages} page(s) and {layout.labels} {count_pages(labels)}; expected as many in both, "
            "two or more",
        )  # fmt: skip
    return [Pair(f"{layout.images} page {page}", images, labels, page) for page in range(1, pages + 1)]


def _names(root: Path, paths: set[Path]) -> list[str]:
    return [path.relative_to(root).as_posix() for path in sorted(paths)]


def _refusal(name: str, layout: Layout, folder: Path, reason: str) -> DataRefused:
    """Say what is wrong, and what the layout expects where."""
    inner = [one for one in layout.within if one]
    also = f" (or under {' or '.join(inner)} in it)" if inner else ""
    return DataRefused(
        f"{name}: {folder}: {reason}; expected {', '.join(layout.expects())} in the folder{also}{there_is(folder)}"
    )
