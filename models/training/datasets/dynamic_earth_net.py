"""DynamicEarthNet: 75 areas of 1024 x 1024 pixels of 3 m, two years of daily Planet Fusion, land cover per month.

The folder, as published (https://mediatum.ub.tum.de/1650201, unpacked side by side; each archive in a folder of its own
is fine too):

    planet/ZONE/REGION/AREA/PF-SR/2018-01-01.tif          blue, green, red, NIR; uint16, reflectance x 10,000
    labels/AREA_ZONE/Labels/Raster/NAME/NAME-2018_01_01.tif   7 bands of 0 or 255: impervious surface, agriculture,
                                    forest and other vegetation, wetlands, soil, water, snow and ice
    dynnet_training_splits/train.txt, val.txt, test.txt    lines of images' folder, label, month

Some labels are named NAME-2018-01-01.tif, and some folders AREA-ZONE; the labels of val and test came later, in an
archive of their own. The benchmark leaves snow and ice out: with a legend of six classes, its pixels count nowhere.

Source: Toker et al.: DynamicEarthNet: daily multi-spectral satellite dataset for semantic change segmentation,
CVPR 2022.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from models.card import MASK_NODATA
from models.errors import DataRefused
from models.training.chips import Chip
from models.training.datasets.pairs import shorten
from models.training.datasets.rasters import opened, read_header, read_image
from models.training.datasets.series import FileSeries, Series, check_split, fingerprint_large
from models.training.series_config import DynamicEarthNetConfig
from models.training.themes import Theme

AREA = re.compile(r"\d+_\d+_\d+")
MONTH = re.compile(r"(\d{4})[-_](\d{2})[-_]01$")
SPLITS = "dynnet_training_splits"
IMAGE_BANDS = (1, 2, 3, 4)
LAND_COVERS = 7
SCALE = 1e-4
NO_DATA = 0
EPOCH = date(1970, 1, 1)
RES_M = (3.0, 3.0)

LAYOUT = (
    f"expected DynamicEarthNet as published: planet/ZONE/REGION/AREA/PF-SR/YYYY-MM-DD.tif, "
    f"labels/AREA_ZONE/Labels/Raster/NAME/NAME-YYYY_MM_01.tif and {SPLITS}/train.txt"
)


@dataclass(frozen=True)
class _Area:
    """An area: its images by day, in order, each with the label of its month."""

    name: str
    days: tuple[date, ...]
    images: tuple[Path, ...]
    labels: tuple[Path, ...]


def open_dynamic_earth_net(config: DynamicEarthNetConfig, about: Theme) -> FileSeries:
    """Open DynamicEarthNet; a date has the truth of its month.

    Raises:
        DataRefused: the folder is not laid out as published, or the legend has neither six classes nor seven.
    """
    folder = Path(config.folder).expanduser()
    if len(about.classes) not in (LAND_COVERS - 1, LAND_COVERS):
        raise DataRefused(
            f"DynamicEarthNet has {LAND_COVERS} classes, or {LAND_COVERS - 1} without snow and ice; the legend has "
            f"{len(about.classes)}"
        )
    areas, left_out = _areas(folder, config.days)
    sides = _sides(folder, config, areas)
    series = {name: _series(areas[name], len(about.classes)) for side in sides for name in side}
    train, held_out = (tuple(series[name] for name in side) for side in sides)
    check_split(train, held_out, max(config.dates))
    used = [areas[name] for name in series]
    files = [path for area in used for path in (*area.images, *area.labels)]
    return FileSeries(
        train=train, held_out=held_out, bands=config.roles, res_m=RES_M,
        about=f"DynamicEarthNet: {len(train)} areas learned from, {len(held_out)} held out ({shorten(list(sides[1]))})",
        notes=(f"{len(left_out)} areas without labels or images left out: {shorten(left_out)}",) if left_out else (),
        fingerprint=fingerprint_large(folder, sorted(set(files)), sorted((folder / SPLITS).glob("*.txt"))),
        classes=about.classes, followed=about.followed, chip_px=config.chip_px, scored=config.scored,
    )  # fmt: skip


def _areas(folder: Path, days: Sequence[int]) -> tuple[dict[str, _Area], list[str]]:
    """Find the areas that have images and labels, and the names of those that lack either."""
    images, labels = _images(folder), _labels(folder)
    if not images or not labels:
        raise DataRefused(f"{folder}: no {'images' if not images else 'labels'} there; {LAYOUT}")
    areas, left_out = {}, sorted(images.keys() ^ labels.keys())
    for name in sorted(images.keys() & labels.keys()):
        found = sorted((day, path) for day, path in images[name].items() if day.day in days)
        known = [
            (day, path, labels[name][day.replace(day=1)]) for day, path in found if day.replace(day=1) in labels[name]
        ]
        if known:
            areas[name] = _Area(name, *(tuple(column) for column in zip(*known, strict=True)))
        else:
            left_out.append(name)
    return areas, sorted(left_out)


def _images(folder: Path) -> dict[str, dict[date, Path]]:
    """Find the images: area -> day -> file."""
    found: dict[str, dict[date, Path]] = {}
    for cube in sorted(folder.rglob("PF-SR")):
        if not AREA.fullmatch(cube.parent.name):
            raise DataRefused(f"{cube}: expected a folder of an area, such as 1311_3077_13/PF-SR")
        for path in sorted(cube.glob("*.tif")):
            try:
                found.setdefault(cube.parent.name, {})[date.fromisoformat(path.stem)] = path
            except ValueError as err:
                raise DataRefused(f"{path}: expected a file named for its day, YYYY-MM-DD.tif") from err
    return found


def _labels(folder: Path) -> dict[str, dict[date, Path]]:
    """Find the labels: area -> first of the month -> file."""
    found: dict[str, dict[date, Path]] = {}
    for rasters in sorted(folder.rglob("Labels/Raster")):
        area = AREA.match(rasters.parent.parent.name)
        if area is None:
            raise DataRefused(f"{rasters}: expected it under a folder AREA_ZONE, such as labels/1311_3077_13_10N")
        for path in sorted(rasters.glob("*/*.tif")):
            month = MONTH.search(path.stem)
            if month is None:
                raise DataRefused(f"{path}: expected a label named for its month, NAME-YYYY_MM_01.tif")
            found.setdefault(area[0], {})[date(int(month[1]), int(month[2]), 1)] = path
    return found


def _sides(folder: Path, config: DynamicEarthNetConfig, areas: Mapping[str, _Area]) -> tuple[list[str], list[str]]:
    """Return the names of the areas that are learned from, and of those held out."""
    if isinstance(config.held_out, str):
        lists = [_listed(folder / SPLITS / f"{name}.txt") for name in ("train", config.held_out)]
        shared = lists[0] & lists[1]
        if shared:
            raise DataRefused(f"{folder / SPLITS}: {shorten(sorted(shared))} in train.txt and {config.held_out}.txt")
        return [name for name in areas if name in lists[0]], [name for name in areas if name in lists[1]]
    unknown = sorted(set(config.held_out) - areas.keys())
    if unknown:
        raise DataRefused(f"data.held_out: {shorten(unknown)} not among the areas {shorten(list(areas))}")
    return [name for name in areas if name not in config.held_out], [*config.held_out]


def _listed(path: Path) -> set[str]:
    """Return the areas that a published list names."""
    try:
        lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    except OSError as err:
        raise DataRefused(
            f"{path}: not there; get it from the benchmark's page (github.com/aysim/dynnet), or name the areas to hold "
            "out (data.held_out)"
        ) from err
    named = [AREA.search(line[1]) if len(line) > 1 else None for line in lines]
    if not named or None in named:
        raise DataRefused(f"{path}: expected lines of images' folder, label and month")
    return {found[0] for found in named if found is not None}


def _series(area: _Area, classes: int) -> Series:
    header = read_header(area.images[0])
    for path, count in ((area.images[0], len(IMAGE_BANDS)), (area.labels[0], LAND_COVERS)):
        found = read_header(path)
        if (found.count, found.shape) != (count, header.shape):
            raise DataRefused(
                f"{path}: expected {count} bands of {header.shape} pixels; got {found.count} of {found.shape}"
            )
    days = np.array([(day - EPOCH).days for day in area.days], np.float32)

    def read(dates: Sequence[int], window: tuple[int, int, int, int]) -> Chip:
        images, clears, truths = [], [], dict[Path, NDArray[np.int64]]()
        for one in dates:
            x, clear = read_image(area.images[one], IMAGE_BANDS, window, scale=SCALE, offset=0.0)
            images.append(x)
            clears.append(clear & (x != NO_DATA).any(0))
            label = area.labels[one]
            if label not in truths:
                truths[label] = _read_label(label, window, classes)
        truth = np.stack([truths[area.labels[one]] for one in dates])
        return Chip(np.stack(images), np.stack(clears), days[list(dates)], truth)

    return Series(area.name, header.shape, days, read)


def _read_label(path: Path, window: tuple[int, int, int, int], classes: int) -> NDArray[np.int64]:
    """Read class ids (H, W); 255 where no band is set, or that of a class which the legend leaves out."""
    row, col, height, width = window
    with opened(path) as dataset:
        cover = dataset.read(window=Window(col, row, width, height)) > 0
    truth = np.where(cover.any(0), cover.argmax(0), MASK_NODATA).astype(np.int64)
    return np.where(truth < classes, truth, MASK_NODATA)
