"""When things were seen: dates that are dropped, and dates that are shifted."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from models.errors import ConfigRefused
from models.training.augmentations.geometry import check_chance

if TYPE_CHECKING:  # chips read the configuration, of which these tables are a part
    from models.training.chips import Chip

NEIGHBOUR_SHARE = 0.49
"""Of the gap to a neighbour that a date may move; below one half, the order of dates stays."""


@dataclass(frozen=True)
class DropDates:
    """Dates that nobody saw.

    A dropped date stays in the stack, so that chips still fit into one batch: it is clear nowhere and its image is 0,
    which leaves a network's state as it was. The first date is never dropped: truth such as "burned since the first
    look" counts from it.

    Attributes:
        chance: 0..1, per date after the first.
    """

    chance: float = 0.1

    def __post_init__(self) -> None:
        check_chance("drop_dates", self.chance)

    def __call__(self, chip: Chip, rng: np.random.Generator) -> Chip:
        """Return the chip without some of its dates."""
        kept = rng.uniform(size=len(chip.days)) >= self.chance
        kept[:1] = True
        seen = kept[:, None, None]
        return replace(chip, reflectance=np.where(seen[:, None], chip.reflectance, 0), clear=chip.clear & seen)


@dataclass(frozen=True)
class ShiftDates:
    """Another season, and other gaps between dates; whole days, in the same order.

    Attributes:
        chance: 0..1, per chip.
        max_days: of the shift that all dates share, forwards; 364 = any season.
        jitter_days: largest shift of a single date either way; never as much as half the gap to a neighbour.
    """

    chance: float = 1 / 3
    max_days: int = 364
    jitter_days: int = 0

    def __post_init__(self) -> None:
        check_chance("shift_dates", self.chance)
        if min(self.max_days, self.jitter_days) < 0:
            raise ConfigRefused(f"shift_dates: expected max_days and jitter_days of 0 or more; got {self}")

    def __call__(self, chip: Chip, rng: np.random.Generator) -> Chip:
        """Return the chip at other dates, or as it is."""
        if rng.uniform() >= self.chance:
            return chip
        gaps = np.concatenate([[math.inf], np.diff(chip.days), [math.inf]]) * NEIGHBOUR_SHARE
        jitter = rng.integers(-self.jitter_days, self.jitter_days + 1, len(chip.days))
        moved = np.trunc(np.clip(jitter, -gaps[:-1], gaps[1:])) + rng.integers(self.max_days + 1)
        return replace(chip, days=(chip.days + moved).astype(np.float32))
