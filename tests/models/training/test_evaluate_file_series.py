"""Scores of a checkpoint on series in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.card import read_card
from models.checkpoint import load_network
from models.engines.open import open_engine
from models.errors import ConfigRefused
from models.training.config import NetworkConfig, TrainConfig
from models.training.datasets.wildfire import open_wildfire_pairs
from models.training.evaluate_file_series import evaluate_file_series
from models.training.fit_config import FitConfig
from models.training.loop import train
from models.training.themes import THEMES
from tests.models.training.series_files import pairs, write_fires


def test_a_checkpoint_is_scored_as_a_job_runs_it(tmp_path: Path) -> None:
    """The reference is the walk in windows, which sees the fires whole too."""
    write_fires(tmp_path / "fires")
    folder = train(
        TrainConfig(
            theme="burned-area",
            name="tiny",
            network=NetworkConfig(widths=(4, 6), memory=(4, 6)),
            data=pairs(tmp_path / "fires"),
            fit=FitConfig(steps=2),
        ),
        tmp_path / "run",
    )
    source = open_wildfire_pairs(pairs(tmp_path / "fires"), THEMES["burned-area"])
    scores, by_series = evaluate_file_series(open_engine(folder, device="cpu"), source.side("held-out"))
    walked, _ = source.score(load_network(folder, read_card(folder)))
    assert list(by_series) == ["66_20230515"]
    assert scores.told()["iou burned"] == pytest.approx(walked["iou"], abs=1e-3)
    assert scores.told()["change_bc"] == pytest.approx(walked["change_iou"], abs=1e-3)
    assert len(source.side("all")) == 3
    with pytest.raises(ConfigRefused, match="--split: expected held-out, train or all; got 'test'"):
        source.side("test")
