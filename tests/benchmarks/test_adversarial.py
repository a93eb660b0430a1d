"""Comparing two trainings: what must be equal, and what a card says was learned from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.adversarial import differences
from benchmarks.networks import learned_mpx
from models.card import Card
from models.training.config import read_config, shipped_config
from models.training.written import written
from tests.models.training.static_runs import any_card


def trained(name: str, **changes: Any) -> Card:
    """A card that tells of a shipped configuration."""
    config = written(read_config(shipped_config(name)))
    fit = config["fit"] | changes
    training = {"config": config | {"fit": fit}, "data_sha256": "00"}
    return any_card().model_copy(update={"training": training})


def test_the_shipped_pair_differs_by_its_adversary_alone() -> None:
    assert differences(trained("unet"), trained("unet-adversarial")) == []


def test_another_budget_or_other_data_are_told() -> None:
    longer = trained("unet-adversarial", steps=9, threads=2)
    assert differences(trained("unet"), longer) == ["fit.steps", "fit.threads"]
    other = longer.model_copy(update={"training": longer.training | {"data_sha256": "01"}})
    assert differences(longer, other) == ["data_sha256"]


@pytest.mark.parametrize(("name", "mpx"), [("unet", 2400 * 8 * 128**2 / 1e6), ("mask-rcnn", 1200 * 4 * 256**2 / 1e6)])
def test_pixels_learned_from_are_counted(name: str, mpx: float) -> None:
    assert learned_mpx(trained(name)) == pytest.approx(mpx)
    assert np.isnan(learned_mpx(any_card()))
