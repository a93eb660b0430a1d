"""PASTIS: Sentinel-2 series of agricultural patches in France, 128 x 128 pixels of 10 m, with one map of crops each.

The folder, as published (https://zenodo.org/record/5012942): `metadata.geojson`, a feature per patch with ID_PATCH,
Fold (1..5) and dates-S2 ({"0": 20180917, ...}); `DATA_S2/S2_ID.npy`, (T, 10, 128, 128) int16, reflectance x 10,000;
`ANNOTATIONS/TARGET_ID.npy`, (3, 128, 128) uint8, whose first plane holds the labels.

Source: Sainte Fare Garnot & Landrieu: Panoptic segmentation of satellite image time series with convolutional temporal
attention networks, ICCV 2021.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.card import MASK_NODATA
from models.errors import DataRefused
from models.training.chips import Chip
from models.training.datasets.pairs import shorten
from models.training.datasets.series import FileSeries, Series, check_split, fingerprint_large
from models.training.series_config import PASTIS_BANDS, PastisConfig
from models.training.themes import Theme

METADATA = "metadata.geojson"
VOID = 19
SCALE = 1e-4
NO_DATA = -10_000
EPOCH = datetime(1970, 1, 1)
RES_M = (10.0, 10.0)


@dataclass(frozen=True)
class _Patch:
    """A patch as the metadata tell of it."""

    number: int
    fold: int
    days: NDArray[np.float32]


def open_pastis(config: PastisConfig, about: Theme) -> FileSeries:
    """Open PASTIS; the label of a patch holds at all its dates.

    Raises:
        DataRefused: the folder is not laid out as published, or holds labels that the legend lacks.
    """
    folder = Path(config.folder).expanduser()
    used = {*config.train_folds, *config.held_out_folds}
    patches = [patch for patch in _patches(folder / METADATA) if patch.fold in used]
    series = {patch.number: _series(folder, patch, config, len(about.classes)) for patch in patches}
    train, held_out = (
        tuple(series[patch.number] for patch in patches if patch.fold in folds)
        for folds in (config.train_folds, config.held_out_folds)
    )
    check_split(train, held_out, max(config.dates))
    images, targets = ([paths(folder, p.number)[side] for p in patches] for side in (0, 1))
    return FileSeries(
        train=train,
        held_out=held_out,
        bands=config.roles,
        res_m=RES_M,
        about=f"PASTIS: {len(train)} patches learned from (folds {_told(config.train_folds)}), "
        f"{len(held_out)} held out (folds {_told(config.held_out_folds)})",
        notes=(),
        fingerprint=fingerprint_large(folder, images, [folder / METADATA, *targets]),
        classes=about.classes,
        followed=about.followed,
        chip_px=config.chip_px,
        scored=config.scored,
    )


def paths(folder: Path, number: int) -> tuple[Path, Path]:
    """Return where the series and the labels of a patch lie."""
    return folder / "DATA_S2" / f"S2_{number}.npy", folder / "ANNOTATIONS" / f"TARGET_{number}.npy"


def _patches(path: Path) -> list[_Patch]:
    """Read the metadata, patches in the order of their numbers."""
    try:
        features = json.loads(path.read_text())["features"]
        patches = [_patch(feature["properties"]) for feature in features]
    except FileNotFoundError as err:
        raise DataRefused(
            f"{path}: expected PASTIS as published, a folder with {METADATA}, DATA_S2 and ANNOTATIONS; name it in "
            "[data] folder, or give --data FOLDER"
        ) from err
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        raise DataRefused(f"{path}: expected features with ID_PATCH, Fold and dates-S2 ({err!r})") from err
    return sorted(patches, key=lambda patch: patch.number)


def _patch(told: dict[str, Any]) -> _Patch:
    dates = told["dates-S2"]
    dates = json.loads(dates) if isinstance(dates, str) else dates  # some tools write it back as text
    ordered = [datetime.strptime(str(date), "%Y%m%d") for _, date in sorted(dates.items(), key=lambda d: int(d[0]))]
    days = np.array([(date - EPOCH).days for date in ordered], np.float32)
    if len(days) == 0 or (np.diff(days) < 0).any():
        raise ValueError(f"patch {told['ID_PATCH']}: dates-S2 is empty or not in order")
    return _Patch(int(told["ID_PATCH"]), int(told["Fold"]), days)


def _series(folder: Path, patch: _Patch, config: PastisConfig, classes: int) -> Series:
    image, target = (_mapped(path) for path in paths(folder, patch.number))
    shape = (len(patch.days), len(PASTIS_BANDS))
    if image.ndim != 4 or image.shape[:2] != shape or image.dtype != np.int16:
        raise DataRefused(
            f"{paths(folder, patch.number)[0]}: expected int16 of {shape[0]} dates (dates-S2) x {shape[1]} bands x "
            f"height x width; got {image.dtype} {image.shape}"
        )
    if target.ndim != 3 or target.shape[1:] != image.shape[2:]:
        raise DataRefused(f"{paths(folder, patch.number)[1]}: expected planes of {image.shape[2:]}; got {target.shape}")
    truth = _truth(np.asarray(target[0]), config, classes, paths(folder, patch.number)[1])
    numbers = [PASTIS_BANDS.index(role) for role in config.bands]

    def read(dates: Sequence[int], window: tuple[int, int, int, int]) -> Chip:
        row, col, height, width = window
        at = (slice(row, row + height), slice(col, col + width))
        held = _mapped(paths(folder, patch.number)[0])
        values = np.stack([held[date][(slice(None), *at)] for date in dates])
        clear = (values > NO_DATA).all(1) & (values != 0).any(1)
        x = np.where(clear[:, None], values[:, numbers] * np.float32(SCALE), 0).astype(np.float32)
        return Chip(x, clear, patch.days[list(dates)], np.repeat(truth[at][None], len(dates), 0).astype(np.int64))

    return Series(str(patch.number), (image.shape[2], image.shape[3]), patch.days, read)


def _truth(labels: NDArray[np.integer], config: PastisConfig, classes: int, path: Path) -> NDArray[np.uint8]:
    """Turn labels into class ids, 255 where they count nowhere."""
    known = config.labels or {label: label for label in range(VOID)}
    void = {VOID, *config.void} - set(config.labels)
    truth = np.full(labels.shape, MASK_NODATA, np.uint8)
    for label, number in known.items():
        if number >= classes and (labels == label).any():
            raise DataRefused(
                f"{path}: holds label {label}, class {number}, which the legend of {classes} classes lacks; list all "
                "19 classes in [legend], or map labels to classes (data.labels = {1 = 0, ...})"
            )
        truth[labels == label] = min(number, MASK_NODATA)
    stray = sorted(set(np.unique(labels).tolist()) - set(known) - void)
    if stray:
        raise DataRefused(
            f"{path}: holds label {shorten([str(label) for label in stray])}, which data.labels does not map; map it, "
            "or name it in data.void"
        )
    return truth


def _mapped(path: Path) -> NDArray[Any]:
    try:
        held = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as err:
        raise DataRefused(f"{path}: expected a .npy file of plain numbers: {err}") from err
    if not isinstance(held, np.ndarray):
        raise DataRefused(f"{path}: expected one array; got an .npz file")
    return held


def _told(folds: tuple[int, ...]) -> str:
    return ", ".join(map(str, folds))
