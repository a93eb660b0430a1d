"""`[data] years_apart`: some series of trees lie years apart, and trees grow in them; no other series change."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import ConfigRefused
from models.training.chips import MOST_GAP_DAYS, MOST_SERIES_DAYS, draw_spec
from models.training.config import DataConfig, TrainConfig
from models.training.written import plain


@pytest.mark.parametrize("dates", [2, 8, 20])
def test_a_share_of_the_series_lies_years_apart(dates: int) -> None:
    data = DataConfig(dates_per_step=20, dates=(dates,), years_apart=0.3)
    drawn = [draw_spec("tree-cover", data, dates, np.random.default_rng(seed)) for seed in range(300)]
    apart = [spec for spec in drawn if spec.tree_growth > 0]
    assert len(apart) / len(drawn) == pytest.approx(0.3, abs=0.08)
    assert {spec.gap_days for spec in apart} == {apart[0].gap_days}
    least, most = apart[0].gap_days
    assert 60 < least < most <= MOST_GAP_DAYS
    assert most * dates <= MOST_SERIES_DAYS
    assert max(spec.gap_days[1] for spec in drawn if spec.tree_growth == 0) <= 420


def test_without_it_the_series_are_those_of_before() -> None:
    for seed in range(20):
        plainly, apart = (
            draw_spec("tree-cover", DataConfig(years_apart=share), 6, np.random.default_rng(seed)) for share in (0, 1)
        )
        assert plainly.tree_growth == 0
        for name in ("start", "res_m", "spectral_spread", "cloud_fraction"):
            assert getattr(plainly, name) == getattr(apart, name)
    assert "years_apart" not in plain(DataConfig())


def test_burned_area_is_followed_within_one_season() -> None:
    TrainConfig(theme="tree-cover", name="trees", data=DataConfig(years_apart=0.2))
    with pytest.raises(ConfigRefused, match="within one season"):
        TrainConfig(theme="burned-area", name="fires", data=DataConfig(years_apart=0.2))
    with pytest.raises(ConfigRefused, match=r"shares in 0\.\.1"):
        DataConfig(years_apart=1.5)
