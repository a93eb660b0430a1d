"""Wildfires as folders NAME_YYYYMMDD with `post_fire.tif`, `mask.tif` and, for some, `pre_fire.tif`.

The images are Sentinel-2 L2A cut-outs whose bands are described (B2, B3, ...); in some, 8-bit true colour (TCI_R, ...)
stands in place of reflectance: they are told by their descriptions and left out. The mask is 1 inside the fire's
perimeter, which is drawn more smoothly than the fire burned. The name ends with the day on which the fire began; the
days of the images are not published.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from models.errors import DataRefused
from models.training.chips import Chip
from models.training.class_weights import ClassFrequencies
from models.training.datasets.pairs import shorten
from models.training.datasets.places import places
from models.training.datasets.rasters import Header, band_numbers, opened, read_header, read_image
from models.training.datasets.series import FileSeries, Series, check_split
from models.training.datasets.source import Picture, draw_window
from models.training.datasets.split import fingerprint_files
from models.training.series_config import WildfireDatesConfig, WildfirePairsConfig
from models.training.themes import Theme

EPOCH = date(1970, 1, 1)
DAYS_BEFORE, DAYS_AFTER = -30, 30
"""Days of the images around the day on which the fire began: stand-ins, since the true ones are not published."""

RES_M = (20.0, 20.0)
POST, PRE, MASK = "post_fire.tif", "pre_fire.tif", "mask.tif"
FIRE_CLASSES = 2

Table = WildfirePairsConfig | WildfireDatesConfig


@dataclass(frozen=True)
class Fire:
    """A fire that can be learned from.

    Attributes:
        name: of its folder.
        images: of one shape each, in order of time, with the numbers of the bands that are read.
        mask: the perimeter's.
        header: of the last image.
    """

    name: str
    images: tuple[tuple[Path, tuple[int, ...]], ...]
    mask: Path
    header: Header

    @property
    def days(self) -> tuple[int, ...]:
        """Days since 1970-01-01 of the images, as far as the name tells."""
        began = (datetime.strptime(self.name.rsplit("_", 1)[1], "%Y%m%d").date() - EPOCH).days
        return tuple(began + gap for gap in (DAYS_BEFORE, DAYS_AFTER)[-len(self.images) :])

    def read(self, dates: Sequence[int], window: tuple[int, int, int, int], scale: float) -> Chip:
        """Read a window of some of the images: what burned is burned in the last one only."""
        read = [read_image(*self.images[one], window, scale=scale, offset=0.0) for one in dates]
        burned, first_after = _read_mask(self.mask, window), len(self.images) - 1
        truth = [burned if one >= first_after else np.zeros_like(burned) for one in dates]
        days = np.array([self.days[one] for one in dates], np.float32)
        return Chip(np.stack([x for x, _ in read]), np.stack([clear for _, clear in read]), days, np.stack(truth))


@dataclass(frozen=True)
class _Split:
    """Fires by side, and what a user must know about them."""

    train: tuple[Fire, ...]
    held_out: tuple[Fire, ...]
    notes: tuple[str, ...]
    fingerprint: str

    @property
    def about(self) -> str:
        """A sentence for the card."""
        names = ", ".join(fire.name for fire in self.held_out)
        return f"{len(self.train)} real fires (Sentinel-2) learned from, {len(self.held_out)} held out ({names})"


def open_wildfire_pairs(config: WildfirePairsConfig, about: Theme) -> FileSeries:
    """Open fires as series of two dates: nothing is burned at the first, the perimeter at the second.

    Raises:
        DataRefused: there is nothing to learn from or to hold out, or files do not fit together.
    """
    split = _split(config, (PRE, POST), about)

    def series(fire: Fire) -> Series:
        def read(dates: Sequence[int], window: tuple[int, int, int, int]) -> Chip:
            return fire.read(dates, window, config.scale)

        return Series(fire.name, fire.header.shape, np.array(fire.days, np.float32), read)

    train, held_out = (tuple(series(fire) for fire in fires) for fires in (split.train, split.held_out))
    check_split(train, held_out, max(config.dates))
    return FileSeries(
        train=train, held_out=held_out, bands=config.roles, res_m=RES_M, about=split.about, notes=split.notes,
        fingerprint=split.fingerprint, classes=about.classes, followed=about.followed, chip_px=config.chip_px,
    )  # fmt: skip


class WildfireDates:
    """Fires as single dates, after the fire (`WildfireDatesConfig`); a `models.training.datasets.source.Source`.

    Raises:
        DataRefused: there is nothing to learn from or to hold out, or files do not fit together.
    """

    def __init__(self, config: WildfireDatesConfig, about: Theme) -> None:
        self._config, self._split = config, _split(config, (POST,), about)
        self.bands, self.res_m, self.per_draw = config.roles, RES_M, 1
        self.about, self.notes, self.fingerprint = self._split.about, self._split.notes, self._split.fingerprint

    def draw(self, rng: np.random.Generator) -> list[Chip]:
        """Draw a window of a fire, all fires alike; see `Source`."""
        fires = self._split.train
        return [draw_window(self._picture(fires[int(rng.integers(len(fires)))]), self._config.chip_px, rng)]

    def pictures(self, split: str) -> Sequence[Picture]:
        """Return the fires of a split, or of both for `all`; see `Source`."""
        sides = {"train": self._split.train, "held-out": self._split.held_out}
        return [self._picture(fire) for name, fires in sides.items() if split in (name, "all") for fire in fires]

    def frequencies(self, classes: int) -> ClassFrequencies:
        """Count the classes of the training perimeters; see `Source`."""
        counted = ClassFrequencies(classes)
        for fire in self._split.train:
            chip = fire.read([0], (0, 0, *fire.header.shape), self._config.scale)
            counted.add(chip.target, chip.clear & (chip.target < classes))
        return counted

    def _picture(self, fire: Fire) -> Picture:
        def read(row: int, col: int, height: int, width: int) -> Chip:
            return fire.read([0], (row, col, height, width), self._config.scale)

        return Picture(fire.name, fire.header.shape, read)


def _split(config: Table, files: tuple[str, ...], about: Theme) -> _Split:
    """Find the fires, leave out what cannot be used, and take apart what is held out."""
    folder = Path(config.folder).expanduser()
    if len(about.classes) != FIRE_CLASSES:
        raise DataRefused(f"fires have 2 classes, unburned and burned; the legend has {len(about.classes)}")
    names = _names(folder, config)
    fires, unfit = list[Fire](), list[str]()
    for name in names:
        fire = _fire(folder / name, files, config.bands)
        if isinstance(fire, str):
            unfit.append(f"{name} ({fire})")
        else:
            fires.append(fire)
    held_out = tuple(fire for fire in fires if _matches(fire.name, config.held_out))
    train = tuple(fire for fire in fires if not _matches(fire.name, config.held_out))
    if not train or not held_out:
        raise DataRefused(
            f"{folder}: {len(train)} fires to learn from and {len(held_out)} held out; both must be 1 or more"
            + (f"; left out: {shorten(unfit)}" if unfit else "")
        )
    _check_apart(train, held_out)
    read = [path for fire in fires for path in (*(image for image, _ in fire.images), fire.mask)]
    notes = (f"{len(unfit)} fires left out: {shorten(unfit)}",) if unfit else ()
    return _Split(train, held_out, notes, fingerprint_files(folder, read))


def _names(folder: Path, config: Table) -> list[str]:
    there = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if not there:
        raise DataRefused(
            f"{folder}: expected a folder of fires, NAME_YYYYMMDD each; name it in [data] folder, or give --data FOLDER"
        )
    for key, patterns in (("held_out", config.held_out), ("exclude", config.exclude)):
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in there):
                raise DataRefused(f"data.{key}: {pattern!r} is no fire in {folder}; there is {', '.join(there)}")
    return [name for name in there if not _matches(name, config.exclude)]


def _fire(folder: Path, files: tuple[str, ...], bands: tuple[str, ...]) -> Fire | str:
    """Look into a fire's folder; a text where its images lack the bands."""
    missing = [name for name in (*files, MASK) if not (folder / name).is_file()]
    if missing:
        raise DataRefused(f"{folder}: expected {', '.join((*files, MASK))}; {', '.join(missing)} missing")
    images, headers = [], [read_header(folder / name) for name in files]
    for name, header in zip(files, headers, strict=True):
        numbers = band_numbers(header, bands)
        if isinstance(numbers, str):
            return numbers
        images.append((folder / name, numbers))
    mask = read_header(folder / MASK)
    odd = [one for one in (*headers, mask) if (one.shape, one.grid) != (mask.shape, mask.grid)]
    if odd:
        raise DataRefused(f"{folder}: its images and its mask lie on different grids: {odd[0].shape}, {mask.shape}")
    stray = np.setdiff1d(_read_mask(folder / MASK, (0, 0, *mask.shape)), range(FIRE_CLASSES))
    if stray.size:
        raise DataRefused(f"{folder / MASK}: expected 1 where it burned, else 0; got {stray[0]}")
    fire = Fire(folder.name, tuple(images), folder / MASK, headers[-1])
    try:
        fire.days  # noqa: B018 - is asked for its error
    except (ValueError, IndexError) as err:
        raise DataRefused(f"{folder}: expected a name that ends with the fire's day, as in 66_20230515") from err
    return fire


def _read_mask(path: Path, window: tuple[int, int, int, int]) -> NDArray[np.int64]:
    row, col, height, width = window
    with opened(path) as dataset:
        values: NDArray[np.int64] = dataset.read(1, window=Window(col, row, width, height)).astype(np.int64)
    return values


def _check_apart(train: Sequence[Fire], held_out: Sequence[Fire]) -> None:
    """Refuse fires that show the same ground on both sides."""
    names = {fire.name for fire in held_out}
    for place in places([(fire.name, fire.header) for fire in (*train, *held_out)]):
        if 0 < len(names & set(place)) < len(place):
            raise DataRefused(
                f"{', '.join(sorted(place))} show the same ground; hold out all of them or none, or exclude some"
            )


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
