"""From the numbers in a file to reflectance x 10,000."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo.errors import SceneRejected
from geo.scene import REFLECTANCE_NODATA, REFLECTANCE_SCALE

_ENOUGH = 20_000
_ADVICE = "give scale= (0.0001 where 10,000 means a reflectance of 1)"


@dataclass(frozen=True)
class Scaling:
    """reflectance = number x scale + offset, band by band.

    Attributes:
        scales, offsets: one for each band that is kept, in their order.
        source: where they are from, in words.
    """

    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    source: str

    @classmethod
    def uniform(cls, scale: float, bands: int, source: str) -> Scaling:
        """One scale for every band, no offset."""
        return cls((scale,) * bands, (0.0,) * bands, source)

    def apply(self, values: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.uint16]:
        """Turn (B, H, W) of the file's numbers into uint16 reflectance x 10,000.

        Valid pixels end within 1..65535, so that darkness is never mistaken for missing data; others are 0.
        """
        out = np.zeros(values.shape, dtype=np.uint16)
        for band, (scale, offset) in enumerate(zip(self.scales, self.offsets, strict=True)):
            if scale == REFLECTANCE_SCALE and not offset and values.dtype == np.uint16:
                np.maximum(values[band], 1, out=out[band])
            else:
                # float32 holds 16-bit numbers exactly; wider ones keep their own width.
                numbers = values[band].astype(np.result_type(values.dtype, np.float32))
                # The largest floats overflow to infinity here, and end at 65535 as other large ones do.
                with np.errstate(over="ignore", invalid="ignore"):
                    numbers = numbers * (scale / REFLECTANCE_SCALE) + offset / REFLECTANCE_SCALE
                out[band] = np.clip(np.rint(np.where(valid, numbers, 0)), 1, 65535)
            out[band][~valid] = REFLECTANCE_NODATA
        return out


def find_valid(values: NDArray[Any], nodata: Iterable[float | None], inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which pixels hold data in every band.

    Not finite, or the file's nodata, in any band makes a pixel invalid. Zero is another matter: a dark pixel may be 0
    in one band, so a pixel is missing only where every band is 0; and that it is whether or not the file declares it.

    Args:
        values: (B, H, W), the file's numbers.
        nodata: the file's nodata value of each band, None where it declares none.
        inside: (H, W), what alpha or an internal mask say.
    """
    with np.errstate(invalid="ignore"):
        valid = inside & values.any(axis=0)
    for band, missing in zip(values, nodata, strict=True):
        if np.issubdtype(band.dtype, np.floating):
            valid &= np.isfinite(band)
        if missing is not None and missing != 0 and np.isfinite(missing):
            # A file's nodata is written with fewer digits than float32 has.
            valid &= band != (band.dtype.type(missing) if _fits(missing, band.dtype) else missing)
    return valid


def from_caller(scale: float, bands: int) -> Scaling:
    """Take the caller's word.

    Raises:
        SceneRejected: the scale is not a positive number.
    """
    if not (np.isfinite(scale) and scale > 0):
        raise SceneRejected(f"scale is {scale}; expected a positive number, as 0.0001")
    return Scaling.uniform(scale, bands, "caller")


def from_coefficients(coefficients: Mapping[int, float], numbers: tuple[int, ...], image: str) -> Scaling:
    """Take Planet's reflectance coefficients: radiance becomes top-of-atmosphere reflectance.

    Raises:
        SceneRejected: the metadata have none for a band.
    """
    missing = [number for number in numbers if number not in coefficients]
    if missing:
        raise SceneRejected(
            f"{image} holds radiance, and no reflectanceCoefficient is known for band(s) {missing}; "
            "send its *_metadata.xml with it, or order the SR product, or give scale="
        )
    scales = tuple(coefficients[number] for number in numbers)
    return Scaling(scales, (0.0,) * len(scales), "Planet's reflectanceCoefficient (top of atmosphere)")


def from_tags(scales: tuple[float, ...], offsets: tuple[float, ...]) -> Scaling | None:
    """Take the file's own scale and offset, where it states any."""
    if all(scale == 1 for scale in scales) and not any(offsets):
        return None
    if not all(np.isfinite((*scales, *offsets))) or any(scale <= 0 for scale in scales):
        raise SceneRejected(f"the file states scales {scales} and offsets {offsets}, which make no sense; {_ADVICE}")
    return Scaling(scales, offsets, "the file's scale and offset")


def guess(dtype: np.dtype[Any], samples: Iterable[NDArray[Any]], bands: int) -> Scaling:
    """Guess by type, and for floats by their size; a scene's properties say that it was a guess.

    uint8: 255 is 1. Wider integers: 10,000 is 1. Floats whose 99th percentile is at most 2 are reflectance;
    above 255 they are reflectance x 10,000.

    Args:
        dtype: type of the file's numbers.
        samples: valid numbers, any shape; read until there are enough.
        bands: number of bands that are kept.

    Raises:
        SceneRejected: floats that are neither.
    """
    if dtype == np.uint8:
        return Scaling.uniform(1 / 255, bands, "guess: uint8, 255 is 1")
    if np.issubdtype(dtype, np.integer):
        return Scaling.uniform(REFLECTANCE_SCALE, bands, f"guess: {dtype}, 10,000 is 1")
    taken: list[NDArray[Any]] = []
    for sample in samples:
        taken.append(sample[:: max(1, sample.size // _ENOUGH)])
        if sum(part.size for part in taken) >= _ENOUGH:
            break
    numbers = np.concatenate(taken) if taken else np.zeros(0)
    high = float(np.percentile(np.abs(numbers), 99)) if numbers.size else 0.0
    if high <= 2:
        return Scaling.uniform(1.0, bands, "guess: floats within 0..2 are reflectance")
    if 255 < high <= 65_535:
        return Scaling.uniform(REFLECTANCE_SCALE, bands, "guess: floats above 255, 10,000 is 1")
    raise SceneRejected(
        f"the file's floats reach {high:g}: neither reflectance (0..1) nor 10,000 times that; {_ADVICE}"
    )


def _fits(value: float, dtype: np.dtype[Any]) -> bool:
    if np.issubdtype(dtype, np.floating):
        return abs(value) <= float(np.finfo(dtype).max)
    info = np.iinfo(dtype)
    return value == int(value) and info.min <= value <= info.max
