"""What training asks of a data set of series, and series in files: drawn window by window, date by date."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import nn

from models.card import LandClass
from models.errors import ConfigRefused, DataRefused
from models.training.chips import Chip
from models.training.datasets.pairs import shorten
from models.training.datasets.source import Described, Picture, draw_window
from models.training.series_scores import score_held_out_series
from models.training.watching import Example


class SeriesSource(Described, Protocol):
    """A data set of series with truth per date, split into what is learned from and what is held out."""

    def draw(self, dates: int, rng: np.random.Generator) -> Chip:
        """Draw a training chip of so many dates, in their order; a function of the generator's state alone."""

    def score(self, net: nn.Module) -> tuple[Mapping[str, float], Sequence[Example]]:
        """Score a recurrent network on what is held out; and a few examples."""


@dataclass(frozen=True)
class Series:
    """A series of any size with its truth, read date by date and window by window.

    Attributes:
        name: of the place.
        shape: (height, width).
        days: (T,) float32, days since 1970-01-01, rising.
        read: (numbers of dates, (row, col, height, width)) -> chip of those dates; a window that lies in the series.
    """

    name: str
    shape: tuple[int, int]
    days: NDArray[np.float32]
    read: Callable[[Sequence[int], tuple[int, int, int, int]], Chip]

    def at(self, dates: Sequence[int]) -> Picture:
        """Return some of the dates, to be read window by window; windows may reach over the edges."""

        def read(row: int, col: int, height: int, width: int) -> Chip:
            return self.read(dates, (row, col, height, width))

        return Picture(self.name, self.shape, read)


@dataclass(frozen=True)
class FileSeries:
    """Series in files, split by place.

    Attributes:
        train, held_out: what is learned from, and what is not.
        bands, res_m, about, notes, fingerprint: see `SeriesSource`.
        classes: the legend.
        followed: class whose IoU is told by itself.
        chip_px: edge of a chip.
        scored: held-out series that a score reads, evenly drawn; 0 = all.
    """

    train: tuple[Series, ...]
    held_out: tuple[Series, ...]
    bands: tuple[str, ...]
    res_m: tuple[float, float]
    about: str
    notes: tuple[str, ...]
    fingerprint: str
    classes: tuple[LandClass, ...]
    followed: int
    chip_px: int
    scored: int = 0

    def draw(self, dates: int, rng: np.random.Generator) -> Chip:
        """Draw a window of some dates of a series, all series and all dates alike; see `SeriesSource`."""
        series = self.train[int(rng.integers(len(self.train)))]
        chosen = np.sort(rng.permutation(len(series.days))[:dates])
        return draw_window(series.at([int(date) for date in chosen]), self.chip_px, rng)

    def side(self, split: str) -> tuple[Series, ...]:
        """Return the series of a split: `held-out`, `train`, or `all`.

        Raises:
            ConfigRefused: it is none of these.
        """
        sides = {"train": self.train, "held-out": self.held_out, "all": (*self.train, *self.held_out)}
        if split not in sides:
            raise ConfigRefused(f"--split: expected held-out, train or all; got {split!r}")
        return sides[split]

    def score(self, net: nn.Module) -> tuple[Mapping[str, float], Sequence[Example]]:
        """Score on the held-out series; see `SeriesSource`."""
        count = min(self.scored or len(self.held_out), len(self.held_out))
        some = [self.held_out[number * len(self.held_out) // count] for number in range(count)]
        return score_held_out_series(net, some, self.classes, self.followed)


def check_split(train: Sequence[Series], held_out: Sequence[Series], longest: int) -> None:
    """Refuse a split with an empty side, and series that are shorter than what is drawn from them.

    Raises:
        DataRefused: naming them.
    """
    for side, ones, key in (("learn from", train, "training"), ("hold out", held_out, "held-out")):
        if not ones:
            raise DataRefused(f"there is no series to {side}; check which are named as {key}, and which were left out")
    short = [f"{one.name} ({len(one.days)})" for one in train if len(one.days) < longest]
    if short:
        raise DataRefused(f"{len(short)} series have less than the {longest} dates of data.dates: {shorten(short)}")


def fingerprint_large(folder: Path, files: Sequence[Path], whole: Sequence[Path]) -> str:
    """SHA-256 over names (under `folder`) and sizes of `files`, and over name and content of those in `whole`.

    Data sets of hundreds of gigabytes cannot be read at every start: images are told apart by size, truth by content.
    """
    told = hashlib.sha256()
    for path in sorted(files):
        told.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\n".encode())
    for path in sorted(whole):
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        told.update(f"{path.relative_to(folder).as_posix()}\0{digest}\n".encode())
    return told.hexdigest()
