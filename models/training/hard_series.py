"""Which simulated series are worth a step of training: those on which a threshold on an index is often wrong.

A network that has learned for a while finds most landscapes easy, and what it finds hard is largely what a threshold
finds hard (`benchmarks/hard_series.py` measures both). To tell those costs nothing beside simulating them.
"""

from __future__ import annotations

import numpy as np

from geo.bands import PLANETSCOPE_4
from geo.indices import burned_area_index, normalised_difference
from geo.simulator.spec import Theme
from models.card import MASK_NODATA
from models.training.chips import Chip
from models.training.themes import THEMES

RED, NIR = PLANETSCOPE_4.index("red"), PLANETSCOPE_4.index("nir")

BAI_RISE = 20.0
"""Rise of the BAI since the first look from which on ground counts as burned; about what is best on real fires."""

TREES_NDVI = 0.52
"""NDVI from which on ground counts as trees: the best one on training landscapes."""


def misleading_looks(theme: Theme, chip: Chip) -> int:
    """Count the clear looks with a known truth at which the theme's threshold is wrong, over pixels and dates."""
    red, nir = chip.reflectance[:, RED], chip.reflectance[:, NIR]
    known = chip.clear & (chip.target != MASK_NODATA)
    if theme == "burned-area":
        index = burned_area_index(red, nir)
        first = np.take_along_axis(index, chip.clear.argmax(0)[None], 0)
        followed = index - first > BAI_RISE
    else:
        followed = normalised_difference(nir, red) > TREES_NDVI
    return int(np.count_nonzero((followed != (chip.target == THEMES[theme].followed)) & known))
