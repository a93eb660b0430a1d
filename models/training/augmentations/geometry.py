"""Where things lie: flips, quarter turns, rotation by any angle, scale, crops, misregistration.

Image, clear mask and truth move together, but for misregistration, which moves the image over the truth. What comes
in from outside is not clear and its truth is 255, which counts nowhere. Reflectance is interpolated, truth is that of
the nearest pixel, and an interpolated pixel is clear where all that it mixes is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.card import MASK_NODATA
from models.errors import ConfigRefused
from models.training.augmentations.resampling import Places, shifted_places, turned_places

if TYPE_CHECKING:  # chips read the configuration, of which these tables are a part
    from models.training.chips import Chip

Pixel = TypeVar("Pixel", bound=np.generic)


def flipped(chip: Chip, *, rows: bool = False, cols: bool = False) -> Chip:
    """Mirror a chip upside down (`rows`), left to right (`cols`), or both."""
    at = (..., slice(None, None, -1 if rows else 1), slice(None, None, -1 if cols else 1))
    return replace(
        chip,
        reflectance=np.ascontiguousarray(chip.reflectance[at]),
        clear=np.ascontiguousarray(chip.clear[at]),
        target=np.ascontiguousarray(chip.target[at]),
    )


def quarter_turned(chip: Chip, turns: int) -> Chip:
    """Turn a chip counter-clockwise by quarters, without interpolation; odd turns swap height and width."""
    return replace(
        chip,
        reflectance=np.ascontiguousarray(np.rot90(chip.reflectance, turns, (-2, -1))),
        clear=np.ascontiguousarray(np.rot90(chip.clear, turns, (-2, -1))),
        target=np.ascontiguousarray(np.rot90(chip.target, turns, (-2, -1))),
    )


def rotated(chip: Chip, *, angle_deg: float = 0.0, scale: float = 1.0) -> Chip:
    """Turn a chip about its centre, counter-clockwise, and magnify it by `scale`, in one interpolation."""
    places = turned_places(*chip.clear.shape[-2:], angle_deg=angle_deg, scale=scale)
    image, clear = _read(chip.reflectance, chip.clear, places)
    return replace(chip, reflectance=image, clear=clear, target=places.nearest(chip.target, MASK_NODATA))


def cropped(chip: Chip, *, top: int, left: int, height: int, width: int) -> Chip:
    """Cut a window out of a chip; it may reach beyond, where nothing is known."""
    window = (top, left, height, width)
    return replace(
        chip,
        reflectance=_cut(chip.reflectance, window, 0),
        clear=_cut(chip.clear, window, 0),
        target=_cut(chip.target, window, MASK_NODATA),
    )


def misregistered(chip: Chip, shifts_px: Sequence[tuple[float, float]]) -> Chip:
    """Move the image of each date, with its clear mask, (down, right) over the truth, which stays."""
    images, clears = [], []
    for image, clear, (down_px, right_px) in zip(chip.reflectance, chip.clear, shifts_px, strict=True):
        if down_px or right_px:
            places = shifted_places(*clear.shape, down_px=down_px, right_px=right_px)
            moved, seen = _read(image[None], clear[None], places)
            images.append(moved[0])
            clears.append(seen[0])
        else:
            images.append(image)
            clears.append(clear)
    return replace(chip, reflectance=np.stack(images), clear=np.stack(clears))


@dataclass(frozen=True)
class Flip:
    """One of the eight ways to lay a square, drawn evenly; one of four for other chips, which keep their shape."""

    def __call__(self, chip: Chip, rng: np.random.Generator) -> Chip:
        """Return the chip laid another way."""
        height, width = chip.clear.shape[-2:]
        turns = int(rng.integers(4))
        turns = turns if height == width else 2 * (turns // 2)
        return flipped(quarter_turned(chip, turns), cols=bool(rng.integers(2)))


@dataclass(frozen=True)
class Rotate:
    """Rotation by any angle and scale, in one interpolation.

    Attributes:
        chance: 0..1, per chip.
        max_deg: largest angle either way; 180 = any.
        scale: least and largest magnification, drawn evenly in its logarithm.
    """

    chance: float = 0.5
    max_deg: float = 180.0
    scale: tuple[float, float] = (0.8, 1.25)

    def __post_init__(self) -> None:
        low, high = self.scale
        check_chance("rotate", self.chance)
        if not 0 <= self.max_deg <= 180:
            raise ConfigRefused(f"rotate.max_deg: expected 0..180; got {self.max_deg}")
        if not 0 < low <= high < float("inf"):
            raise ConfigRefused(f"rotate.scale: expected [least, largest] above 0; got {self.scale}")

    def __call__(self, chip: Chip, rng: np.random.Generator) -> Chip:
        """Return the chip turned and magnified, or as it is."""
        if rng.uniform() >= self.chance:
            return chip
        angle_deg = float(rng.uniform(-self.max_deg, self.max_deg))
        return rotated(chip, angle_deg=angle_deg, scale=float(np.exp(rng.uniform(*np.log(self.scale)))))


@dataclass(frozen=True)
class Crop:
    """A window of `px` by `px` from anywhere in the chip; a chip that is smaller is put anywhere in the window."""

    px: int

    def __post_init__(self) -> None:
        if self.px < 1:
            raise ConfigRefused(f"crop.px: expected 1 or more; got {self.px}")

    def __call__(self, chip: Chip, rng: np.random.Generator) -> Chip:
        """Return the window."""
        top, left = (self._start(size, rng) for size in chip.clear.shape[-2:])
        return cropped(chip, top=top, left=left, height=self.px, width=self.px)

    def _start(self, size: int, rng: np.random.Generator) -> int:
        spare = size - self.px
        return int(rng.integers(min(spare, 0), max(spare, 0) + 1))


@dataclass(frozen=True)
class Misregister:
    """Images that lie a little beside the truth, each date its own way.

    Attributes:
        chance: 0..1, per date.
        max_px: largest shift along rows and along columns.
    """

    chance: float = 0.5
    max_px: float = 0.5

    def __post_init__(self) -> None:
        check_chance("misregister", self.chance)
        if not 0 <= self.max_px < float("inf"):
            raise ConfigRefused(f"misregister.max_px: expected 0 or more; got {self.max_px}")

    def __call__(self, chip: Chip, rng: np.random.Generator) -> Chip:
        """Return the chip with some of its images moved."""
        dates = len(chip.days)
        moved, shifts = rng.uniform(size=dates) < self.chance, rng.uniform(-self.max_px, self.max_px, (dates, 2))
        return misregistered(chip, [(float(down), float(right)) for down, right in shifts * moved[:, None]])


def check_chance(table: str, chance: float) -> None:
    """Refuse a chance outside 0..1."""
    if not 0 <= chance <= 1:
        raise ConfigRefused(f"{table}.chance: expected 0..1; got {chance}")


def _read(
    image_TCHW: NDArray[np.float32], clear_THW: NDArray[np.bool_], places: Places
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Interpolate; a pixel that is not finite is none, and does not spread."""
    finite = np.isfinite(image_TCHW)
    return places.bilinear(np.where(finite, image_TCHW, 0)), places.every(clear_THW & finite.all(1))


def _cut(values: NDArray[Pixel], window: tuple[int, int, int, int], outside: int) -> NDArray[Pixel]:
    top, left, height, width = window
    cut = np.full((*values.shape[:-2], height, width), outside, values.dtype)
    rows = slice(max(top, 0), min(top + height, values.shape[-2]))
    cols = slice(max(left, 0), min(left + width, values.shape[-1]))
    if rows.start < rows.stop and cols.start < cols.stop:
        inner = values[..., rows, cols]
        cut[..., rows.start - top : rows.stop - top, cols.start - left : cols.stop - left] = inner
    return cut
