"""What the numbers or colours of a label file mean, and reading them as class ids."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from models.card import MASK_NODATA
from models.errors import DataRefused
from models.training.datasets.rasters import Header, opened, read_header

Decoded = tuple[NDArray[np.int64], dict[float, int]]
"""Class ids, and the pixels of each label that means nothing."""

MATLAB = ".mat"
LABEL_MAP = "LabelMap"
"""The array of Pascal Context's label files."""


@dataclass(frozen=True)
class LabelCode:
    """How labels become class ids; `MASK_NODATA` as a class id counts nowhere.

    Attributes:
        values: number in a file of one band -> class id.
        colors: 0xrrggbb in a file of three bands -> class id; empty = labels are numbers, never colours.
        other: class id of whatever is neither; None = that is refused.
    """

    values: Mapping[int, int]
    colors: Mapping[int, int] = field(default_factory=dict)
    other: int | None = None


def read_classes(
    path: Path, window: tuple[int, int, int, int] | None, code: LabelCode, *, page: int = 0
) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Read class ids of a label file, 255 where the truth is not known: not finite, void, or the file's nodata.

    A nodata value that is a class all the same stays one: files that declare their background as nodata are common.

    Args:
        path: a raster of one band, or of three where `code` knows colours; or MATLAB's .mat with a `LabelMap`.
        window: (row, col, height, width); None = all.
        code: what its labels mean.
        page: of a TIFF of many, from 1.

    Returns:
        (H, W) class ids, and the pixels of each label that means nothing, by its number or #rrggbb.
    """
    if path.suffix.lower() == MATLAB:
        rows, cols = (slice(None),) * 2 if window is None else _slices(window)
        return _told(decode(_label_map(path)[rows, cols], code.values, code.other), "{:g}")
    with opened(path, page) as dataset:
        at = None if window is None else Window(window[1], window[0], window[3], window[2])
        if not (code.colors and dataset.count >= 3):
            values = dataset.read(1, window=at)
            return _told(decode(values, code.values, code.other, nodata=dataset.nodatavals[0]), "{:g}")
        red, green, blue = dataset.read((1, 2, 3), window=at).astype(np.int64)
    return _told(decode((red << 16) + (green << 8) + blue, code.colors, code.other), "#{:06x}")


def decode(
    values: NDArray[Any], known: Mapping[int, int], other: int | None, *, nodata: float | None = None
) -> Decoded:
    """Turn labels into class ids, 255 where they are not finite or nodata; and count those that mean nothing."""
    labels = np.array(sorted(known), np.float64)
    ids = np.array([known[label] for label in sorted(known)], np.int64)
    place = np.searchsorted(labels, values).clip(max=len(labels) - 1)
    meant = labels[place] == values
    target = np.where(meant, ids[place], MASK_NODATA)
    unknown = ~meant & np.isfinite(values)
    if nodata is not None:
        unknown &= values != nodata
    if other is not None:
        target[unknown], unknown = other, np.zeros_like(unknown)
    found, pixels = np.unique(values[unknown], return_counts=True)
    return target, dict(zip(found.tolist(), pixels.tolist(), strict=True))


def label_header(path: Path, *, page: int = 0) -> Header:
    """Read what a label file says of itself; a .mat lies nowhere."""
    if path.suffix.lower() != MATLAB:
        return read_header(path, page)
    rows, cols = _label_map(path).shape
    return Header((rows, cols), 1, ("",), "", None, "")


def _told(decoded: Decoded, form: str) -> tuple[NDArray[np.int64], dict[str, int]]:
    target, unknown = decoded
    return target, {form.format(label): pixels for label, pixels in unknown.items()}


def _slices(window: tuple[int, int, int, int]) -> tuple[slice, slice]:
    row, col, height, width = window
    return slice(row, row + height), slice(col, col + width)


def _label_map(path: Path) -> NDArray[np.integer]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        held = loadmat(str(path), variable_names=[LABEL_MAP]).get(LABEL_MAP)
    except (OSError, ValueError, TypeError, NotImplementedError, MatReadError, zlib.error) as err:
        raise DataRefused(f"{path}: expected an intact MATLAB file of version 5: {err}") from err
    if held is None or held.ndim != 2 or not np.issubdtype(held.dtype, np.integer):
        raise DataRefused(f"{path}: expected the array {LABEL_MAP} (H, W) of whole numbers, as in Pascal Context")
    return np.asarray(held)
