"""Series on which an index misleads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from geo.simulator.spec import Theme
from models.card import MASK_NODATA
from models.training.chips import Chip
from models.training.config import DataConfig
from models.training.datasets.series_simulated import SimulatedSeries
from models.training.hard_series import misleading_looks
from models.training.written import plain

LEAVES, CHAR, SOIL = (0.03, 0.06, 0.04, 0.40), (0.05, 0.06, 0.08, 0.10), (0.09, 0.14, 0.20, 0.30)
"""Blue, green, red, NIR."""


def chip(grounds: Sequence[tuple[float, ...]], target: list[int], clear: list[bool] | None = None) -> Chip:
    """Make a series of one pixel."""
    dates = len(grounds)
    return Chip(
        reflectance=np.array(grounds, np.float32).reshape(dates, 4, 1, 1),
        clear=np.array(clear or [True] * dates).reshape(dates, 1, 1),
        days=np.arange(dates, dtype=np.float32),
        target=np.array(target, np.int64).reshape(dates, 1, 1),
    )


@pytest.mark.parametrize(
    ("grounds", "target", "count"),
    [
        ([LEAVES, CHAR, CHAR], [0, 1, 1], 0),
        ([LEAVES, CHAR, CHAR], [0, 0, 0], 2),  # a field that was ploughed
        ([LEAVES, CHAR, SOIL], [0, 1, 1], 1),  # char that faded
        ([CHAR, CHAR, CHAR], [1, 1, 1], 3),  # burned before the first look
    ],
)  # fmt: skip
def test_a_fire_is_what_the_bai_rises_at(grounds: Sequence[tuple[float, ...]], target: list[int], count: int) -> None:
    assert misleading_looks("burned-area", chip(grounds, target)) == count


def test_trees_are_what_the_ndvi_is_high_at() -> None:
    assert misleading_looks("tree-cover", chip([LEAVES, SOIL, LEAVES], [1, 0, 0])) == 1


def test_looks_under_cloud_and_of_unknown_truth_mislead_nobody() -> None:
    series = [LEAVES, CHAR, CHAR]
    assert misleading_looks("burned-area", chip(series, [0, 0, MASK_NODATA])) == 1
    assert misleading_looks("burned-area", chip(series, [0, 0, 0], clear=[True, False, False])) == 0
    assert misleading_looks("burned-area", chip(series, [1, 0, 0], clear=[False, True, True])) == 0


@pytest.mark.parametrize("theme", ["burned-area", "tree-cover"])
def test_the_hardest_of_some_series_is_drawn(theme: Theme) -> None:
    one, three = (SimulatedSeries(theme, DataConfig(chip_px=32, hardest_of=n)) for n in (1, 3))
    rng, again = np.random.default_rng(5), np.random.default_rng(5)
    for _ in range(4):
        each = [misleading_looks(theme, one.draw(3, rng)) for _ in range(3)]
        assert misleading_looks(theme, three.draw(3, again)) == max(each)
    assert one.fingerprint != three.fingerprint


def test_configurations_from_before_stay_as_they_were() -> None:
    assert "hardest_of" not in plain(DataConfig())
    assert plain(DataConfig(hardest_of=3))["hardest_of"] == 3
