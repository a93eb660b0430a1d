"""Which pixels are usable, from Planet's masks, on the image's own grid.

UDM2 has eight bands: clear, snow, shadow, light haze, heavy haze, cloud, confidence (0-100), and the old UDM.
A pixel is clear where band 1 is 1 and no bit but the cloud bit of band 8 is set: band 1 knows clouds better than
the old mask, but not that a band was lost on the way down.
The old UDM has one band of bits, 0 = usable: 1 blackfill, 2 cloud, 4 and up missing or suspect data in a band.
Source: Planet, UDM2 and Imagery Product Specification, unusable data mask file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from geo.errors import SceneRejected
from geo.planetscope import Content, parse_name
from geo.raster import read_pixels

UDM_CLOUD = 0b10
PHASE_TOLERANCE_PX = 0.05

Decode = Callable[[NDArray[np.integer]], NDArray[np.bool_]]


@dataclass(frozen=True)
class UsableMask:
    """A mask file laid over an image.

    Attributes:
        dataset: the open mask.
        bands: what is read of it.
        decode: turns (B, H, W) into clear (H, W).
        kind: what the mask is, in words.
        row, col: where the image's first pixel lies in the mask; negative where the mask starts later.
    """

    dataset: rasterio.DatasetReader
    bands: tuple[int, ...]
    decode: Decode
    kind: str
    row: int
    col: int

    def read(self, window: Window) -> NDArray[np.bool_]:
        """Read clear (H, W) for a window of the image; beyond the mask nothing is clear."""
        height, width = int(window.height), int(window.width)
        clear = np.zeros((height, width), dtype=bool)
        top, left = int(window.row_off) + self.row, int(window.col_off) + self.col
        row0, row1 = max(top, 0), min(top + height, self.dataset.height)
        col0, col1 = max(left, 0), min(left + width, self.dataset.width)
        if row0 < row1 and col0 < col1:
            values = read_pixels(self.dataset, self.bands, Window(col0, row0, col1 - col0, row1 - row0))
            clear[row0 - top : row1 - top, col0 - left : col1 - left] = self.decode(values)
        return clear


def lay_over(mask: rasterio.DatasetReader, image: rasterio.DatasetReader) -> UsableMask:
    """Lay a mask over an image: crop or pad it where both are on one pixel grid.

    Raises:
        SceneRejected: CRS, pixel size or pixel phase differ, both lie apart, or the polarity cannot be told.
    """
    bands, decode, kind = _meaning(mask)
    row, col = _offset(mask, image)
    return UsableMask(mask, bands, decode, kind, row, col)


def clear_from_udm2(values: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Decode UDM2's bands 1 and 8, (2, H, W), into clear (H, W)."""
    clear: NDArray[np.bool_] = (values[0] == 1) & ((values[1] & ~np.array(UDM_CLOUD, values.dtype)) == 0)
    return clear


def clear_from_udm(values: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Decode the old mask's bits, (1, H, W), into clear (H, W): no bit is set."""
    clear: NDArray[np.bool_] = values[0] == 0
    return clear


def clear_from_flag(values: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Decode a band described `clear`, (1, H, W): 1 = clear."""
    clear: NDArray[np.bool_] = values[0] == 1
    return clear


def _meaning(mask: rasterio.DatasetReader) -> tuple[tuple[int, ...], Decode, str]:
    path = Path(mask.name)
    if not all(np.issubdtype(np.dtype(dtype), np.integer) for dtype in mask.dtypes):
        raise SceneRejected(f"{path.name} holds {mask.dtypes[0]}; expected a mask of type uint8")
    described = [(text or "").strip().lower() for text in mask.descriptions]
    planet = parse_name(path.name)
    old = planet is not None and planet.content is Content.UDM
    if mask.count == 8 and mask.dtypes[0] == "uint8":
        return (1, 8), clear_from_udm2, "UDM2"
    if "clear" in described:
        return (described.index("clear") + 1,), clear_from_flag, "band `clear`"
    if mask.count == 1 and (old or path.stem.lower().removesuffix("_clip").endswith("_udm")):
        return (1,), clear_from_udm, "UDM (unusable data mask)"
    raise SceneRejected(
        f"{path.name} has {mask.count} band(s) of {mask.dtypes[0]}: no known mask; expected a UDM2 (8 bands of uint8), "
        "a *_DN_udm.tif (1 band, 0 = usable), or a band described `clear` (1 = usable)"
    )


def _offset(mask: rasterio.DatasetReader, image: rasterio.DatasetReader) -> tuple[int, int]:
    name, advice = Path(mask.name).name, "send the mask that belongs to this image, or warp it onto the image's grid"
    if mask.crs != image.crs:
        raise SceneRejected(f"{name} is in {_crs(mask)}, the image in {_crs(image)}; {advice}")
    to_pixel = ~mask.transform
    col, row = to_pixel * (image.transform * (0, 0))
    far_col, far_row = to_pixel * (image.transform * (image.width, image.height))
    drift = max(abs(far_col - col - image.width), abs(far_row - row - image.height))
    if drift > PHASE_TOLERANCE_PX * 2:
        raise SceneRejected(
            f"{name} has pixels of {_size(mask)}, the image of {_size(image)} (in CRS units), or is turned; {advice}"
        )
    phase = max(abs(col - round(col)), abs(row - round(row)))
    if phase > PHASE_TOLERANCE_PX:
        raise SceneRejected(f"{name} lies {phase:.2f} of a pixel off the image's grid; {advice}")
    row, col = round(row), round(col)
    if row >= mask.height or col >= mask.width or row + image.height <= 0 or col + image.width <= 0:
        raise SceneRejected(f"{name} does not overlap the image; {advice}")
    return row, col


def _crs(dataset: rasterio.DatasetReader) -> str:
    return str(dataset.crs.to_string()[:40])


def _size(dataset: rasterio.DatasetReader) -> str:
    return f"{abs(dataset.transform.a):g} x {abs(dataset.transform.e):g}"
