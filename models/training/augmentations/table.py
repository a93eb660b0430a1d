"""The [augment] table of a configuration: which augmentations, how strong, and the chance behind each sample."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import ConfigDict

from models.training.augmentations.dates import DropDates, ShiftDates
from models.training.augmentations.geometry import Crop, Flip, Misregister, Rotate
from models.training.augmentations.sky import Cloud, Gain, Haze

if TYPE_CHECKING:  # chips read the configuration, of which this table is a part
    from models.training.chips import Chip


@dataclass(frozen=True)
class AugmentConfig:
    """What is done to a chip, in this order; a table that is not written is not done.

    The order is that of nature: how the ground lies, when it was looked at, what the light went through, what the
    sensor made of it, where the image was laid, which images were lost.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    flip: Flip | None = None
    rotate: Rotate | None = None
    crop: Crop | None = None
    shift_dates: ShiftDates | None = None
    haze: Haze | None = None
    cloud: Cloud | None = None
    gain: Gain | None = None
    misregister: Misregister | None = None
    drop_dates: DropDates | None = None

    def __call__(self, chip: Chip, rng: np.random.Generator) -> Chip:
        """Return the chip augmented, its arrays new where they differ.

        Args:
            chip: is left as it is.
            rng: a fresh one per sample (`sample_rng`). Each augmentation draws from a stream of its own, so that
                switching one on or off leaves what the others do.
        """
        tables = fields(self)
        for table, stream in zip(tables, rng.spawn(len(tables)), strict=True):
            step = getattr(self, table.name)
            if step is not None:
                chip = step(chip, stream)
        return chip


def sample_rng(seed: int, sample: int) -> np.random.Generator:
    """Return the chance behind one sample of a run.

    Args:
        seed: of the run.
        sample: number of the sample, counted over all steps and processes: whoever makes it, it is the same.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(sample,)))
