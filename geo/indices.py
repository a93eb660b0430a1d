"""Spectral indices of reflectance, arrays of any shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

DARKEST = 1e-3
"""Sum of two bands, in reflectance, from which on their ratio means anything."""


def normalised_difference(high: Floats, low: Floats) -> Floats:
    """Return (high - low) / (high + low), -1..1; 0 where next to nothing is reflected.

    Of NIR and red it is the NDVI, of NIR and short-wave infrared (2.2 um) the NBR.

    Source: Rouse et al. 1974 (NDVI); Key and Benson 2006, "Landscape assessment" (NBR).
    """
    total = high + low
    lit = total > DARKEST
    return np.where(lit, (high - low) / np.where(lit, total, 1), 0).astype(np.float32)


def burned_area_index(red: Floats, nir: Floats) -> Floats:
    """Return the burned area index (BAI): the higher, the more like char.

    Source: Chuvieco, Martin and Palacios 2002, "Assessment of different spectral indices in the red-near-infrared
    spectral domain for burned land discrimination".
    """
    return np.asarray(1 / ((0.1 - red) ** 2 + (0.06 - nir) ** 2 + np.float32(1e-4)), np.float32)
