"""Showing simulated series more than once, turned and clouded anew: a GPU learns faster than cores simulate.

Steps are drawn in pools: the series of two steps are simulated, and shown as often as is asked for, each time in
another order.

Source: Choi et al. 2019, "Faster neural network training with data echoing".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.training.augment import augment
from models.training.chips import Chip
from models.training.config import DataConfig, TrainConfig
from models.training.datasets.series import SeriesSource

POOL_STEPS = 2
"""Steps whose series are in a pool."""


@dataclass(frozen=True)
class Pool:
    """Series that some steps in a row share.

    Attributes:
        number: of the pool, from 0.
        chips: as simulated, all of one length.
        order: of the steps in turn, numbers of their chips, (steps, chips per step).
    """

    number: int
    chips: tuple[Chip, ...]
    order: NDArray[np.int64]


def steps_together(data: object) -> int:
    """Return how many steps in a row are drawn together: 1 where every series is shown once."""
    echoes = data.echoes if isinstance(data, DataConfig) else 1
    return POOL_STEPS * echoes if echoes > 1 else 1


def draw_pool(config: TrainConfig, data: DataConfig, number: int, source: SeriesSource) -> Pool:
    """Draw a pool: a function of configuration and number alone."""
    rng = np.random.default_rng((config.seed, number))
    dates = int(rng.choice(data.dates))
    each = max(1, data.dates_per_step // dates)
    chips = tuple(source.draw(dates, rng) for _ in range(POOL_STEPS * each))
    shown = np.concatenate([rng.permutation(len(chips)) for _ in range(data.echoes)])
    return Pool(number, chips, shown.reshape(-1, each))


def show(pool: Pool, config: TrainConfig, data: DataConfig, step: int) -> Sequence[Chip]:
    """Return the chips of a step, some under clouds of others of the pool; chance hangs on the step alone."""
    rng, chips = np.random.default_rng((config.seed, step, pool.number)), []
    for number in pool.order[step % len(pool.order)]:
        chip = pool.chips[number]
        if rng.uniform() < data.borrowed_clouds:
            chip = under_clouds_of(pool.chips[int(rng.integers(len(pool.chips)))], chip, rng)
        chips.append((config.augment or augment)(chip, rng))
    return chips


def under_clouds_of(other: Chip, chip: Chip, rng: np.random.Generator) -> Chip:
    """Hide a series where the dates of another of the same length and size, in any order, are not clear."""
    return dataclasses.replace(chip, clear=chip.clear & other.clear[rng.permutation(len(other.clear))])
