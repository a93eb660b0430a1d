"""Chips in .npz files, with the arrays of `models.training.chips.Chip`; pickles in them are never read."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.card import MASK_NODATA, LandClass
from models.errors import DataRefused
from models.training.chips import Chip
from models.training.class_weights import ClassFrequencies
from models.training.data_config import NpzConfig
from models.training.datasets.simulated import one_date
from models.training.datasets.source import Picture, draw_window, picture_of
from models.training.datasets.split import fingerprint_files, held_out_groups

SERIES, STILL = 4, 3
"""Axes of `reflectance` with and without dates."""


class NpzSource:
    """A folder of .npz chips (`NpzConfig`); the dates of a series are chips of their own, on one side of the split.

    Raises:
        DataRefused: there is no file, or one does not hold what it should.
    """

    def __init__(self, config: NpzConfig, classes: Sequence[LandClass]) -> None:
        folder = Path(config.folder).expanduser()
        files = sorted(path for path in folder.glob(config.files) if path.is_file())
        if not files:
            raise DataRefused(f"{folder}: no file matches data.files = {config.files!r}; see NpzConfig")
        self._config, self._classes = config, len(classes)
        for path in files:
            self._read(path)
        names = [path.relative_to(folder).as_posix() for path in files]
        held_out = held_out_groups([[name] for name in names], config.held_out, config.split_seed)
        self._split = {
            "train": [path for path, name in zip(files, names, strict=True) if name not in held_out],
            "held-out": [path for path, name in zip(files, names, strict=True) if name in held_out],
        }
        self.bands, self.res_m, self.per_draw = config.roles, config.res_m, 1
        self.about = f"{len(self._split['train'])} files of chips learned from, {len(held_out)} held out"
        self.notes: tuple[str, ...] = ()
        self.fingerprint = fingerprint_files(folder, files)

    def draw(self, rng: np.random.Generator) -> list[Chip]:
        """Draw a window of one date of a file, all files alike; see `Source`."""
        files = self._split["train"]
        series = self._read(files[int(rng.integers(len(files)))])
        chip = one_date(series, int(rng.integers(len(series.days))))
        return [draw_window(picture_of("", chip), self._config.chip_px, rng)]

    def pictures(self, split: str) -> Sequence[Picture]:
        """Return every date of every file of a split, or of both for `all`; see `Source`."""
        return [
            picture_of(f"{path.name}:{date}", one_date(series, date))
            for name, paths in self._split.items()
            for path in paths
            if split in (name, "all")
            for series in [self._read(path)]
            for date in range(len(series.days))
        ]

    def frequencies(self, classes: int) -> ClassFrequencies:
        """Count the classes of the training chips; see `Source`."""
        counted = ClassFrequencies(classes)
        for path in self._split["train"]:
            chip = self._read(path)
            counted.add(chip.target, chip.clear & (chip.target != MASK_NODATA))
        return counted

    def _read(self, path: Path) -> Chip:
        try:
            with path.open("rb") as stream:
                arrays = np.load(stream, allow_pickle=False)
                if not isinstance(arrays, np.lib.npyio.NpzFile):
                    raise ValueError("one array alone")
                held = {name: arrays[name] for name in ("reflectance", "target", "clear", "days") if name in arrays}
        except (OSError, ValueError, zipfile.BadZipFile) as err:
            raise DataRefused(f"{path}: expected an intact .npz file of plain arrays: {err}") from err
        missing = [name for name in ("reflectance", "target") if name not in held]
        if missing:
            raise DataRefused(f"{path}: expected the arrays reflectance and target; {' and '.join(missing)} missing")
        return self._checked(path, held)

    def _checked(self, path: Path, held: dict[str, NDArray[np.generic]]) -> Chip:
        x, target = held["reflectance"], held["target"]
        if x.ndim == STILL:
            x, target = x[None], target[None]
        shape = (len(x), *x.shape[2:])
        if x.ndim != SERIES or x.shape[1] != len(self._config.roles) or target.shape != shape:
            raise DataRefused(
                f"{path}: expected reflectance (C, H, W) or (T, C, H, W) of the {len(self._config.roles)} bands "
                f"{', '.join(self._config.roles)}, and target of the same dates and size; "
                f"got {held['reflectance'].shape} and {held['target'].shape}"
            )
        ids = target.astype(np.int64)
        stray = np.setdiff1d(ids, [*range(self._classes), MASK_NODATA])
        if stray.size or not np.issubdtype(target.dtype, np.integer):
            raise DataRefused(
                f"{path}: expected class ids 0..{self._classes - 1} in target, or {MASK_NODATA} where the truth is not "
                f"known; got {target.dtype} with {', '.join(map(str, stray[:4])) or 'fractions'}"
            )
        reflectance = x.astype(np.float32)
        clear: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(reflectance), axis=1)
        if "clear" in held:
            clear = clear & held["clear"].astype(bool).reshape(shape)
        days = held.get("days", np.zeros(len(x))).astype(np.float32).reshape(len(x))
        return Chip(np.where(clear[:, None], reflectance, 0), clear, days, ids)
