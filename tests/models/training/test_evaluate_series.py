"""Scores of series, simulated and in files: the masks and probabilities of one walk, counted as `evaluate` does."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from geo.simulator.series import simulate, truth
from models.card import MASK_NODATA, Card, read_card
from models.checkpoint import load_network
from models.engines.open import open_engine
from models.errors import ConfigRefused
from models.training.chips import TEST_SEEDS
from models.training.config import NetworkConfig, TrainConfig
from models.training.datasets.wildfire import open_wildfire_pairs
from models.training.evaluate import evaluate, held_out_spec, masks_of
from models.training.evaluate_series import score_file_series, score_series
from models.training.fit_config import FitConfig
from models.training.loop import train
from models.training.themes import THEMES
from tests.models.training.series_files import pairs, write_fires
from tests.models.training.static_runs import any_card


@dataclasses.dataclass
class Darkness:
    """An engine that calls dark ground burned, and repeats the last look; its card has a halo."""

    card: Card
    memory: int = 7

    def start(self, height: int, width: int) -> NDArray[np.float32]:
        return np.full((2, height, width), np.nan, np.float32)

    def step(
        self, state: NDArray[np.float32], reflectance: NDArray[np.float32], clear: NDArray[np.bool_], day: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        del day
        burned = np.clip(1 - 4 * reflectance[3], 0, 1)
        state[:] = np.where(clear, np.stack([1 - burned, burned]), state)  # the same array again and again
        return state, state


@pytest.fixture
def engine() -> Darkness:
    card = any_card()
    change = card.change.model_copy(update={"lasting": False})
    return Darkness(card.model_copy(update={"stride_px": 8, "radius_px": 12, "change": change}))


def test_scores_of_series_agree_with_their_masks(engine: Darkness) -> None:
    scores, followed = score_series(engine, "burned-area", split="test", series=2, side_px=64)
    told = scores.told()
    right = total = 0
    for seed in TEST_SEEDS[:2]:
        made = simulate(held_out_spec("burned-area", 64), seed)
        masks = masks_of(engine, made)
        seen = masks != MASK_NODATA
        right, total = right + int((masks == truth(made))[seen].sum()), total + int(seen.sum())
    assert scores.confusion.counts.sum() == scores.calibration.counts_M.sum() == total
    assert told["accuracy"] == pytest.approx(right / total)
    assert followed == evaluate(engine, "burned-area", split="test", series=2, side_px=64)
    assert followed["accuracy"] == pytest.approx(told["accuracy"], abs=0.02)
    assert 0 < told["change_bc"] < 1
    chip = scores.extremes.worst()[0]
    assert chip.example.name.startswith("landscape 1100")
    assert (chip.example.mask == MASK_NODATA).mean() <= 0.5


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
    scores, by_series = score_file_series(open_engine(folder, device="cpu"), source.side("held-out"))
    walked, _ = source.score(load_network(folder, read_card(folder)))
    assert list(by_series) == ["66_20230515"]
    assert scores.told()["iou burned"] == pytest.approx(walked["iou"], abs=1e-3)
    assert scores.told()["change_bc"] == pytest.approx(walked["change_iou"], abs=1e-3)
    assert len(source.side("all")) == 3
    with pytest.raises(ConfigRefused, match="--split: expected held-out, train or all; got 'test'"):
        source.side("test")
