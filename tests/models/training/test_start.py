"""First weights from a checkpoint: taken as they are, told on the card, refused where the network is another."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from models.card import read_card
from models.checkpoint import load_network
from models.errors import CheckpointRefused, ConfigRefused, ModelUnknown
from models.training.config import TrainConfig
from models.training.fit_config import FitConfig
from models.training.loop import train
from models.training.start import find_start
from models.training.static_config import StaticNetworkConfig
from models.training.watching import Event, Stepped
from tests.models.training.static_runs import tiny

FIT = FitConfig(steps=2, save_every=1, validate_every=100)


def starting(folder: Path, *, name: str = "second", **fit: Any) -> TrainConfig:
    return dataclasses.replace(tiny(), name=name, fit=dataclasses.replace(FIT, start=str(folder), **fit))


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tiny(fit=FIT), tmp_path_factory.mktemp("first"))


def test_the_weights_come_first_and_the_card_says_so(first: Path, tmp_path: Path) -> None:
    still = starting(first, peak_rate=1e-30, weight_decay=0.0, average_decay=0.0)
    found = read_card(train(still, tmp_path))
    card = read_card(first)
    told = {"model": "tiny@1", "weights_sha256": card.hashes["weights.safetensors"], "training": card.training}
    assert found.training["start"] == told
    assert "start" not in found.training["config"]["fit"]
    old, new = load_network(first, card), load_network(tmp_path / "second", found)
    assert all(torch.allclose(a, b) for a, b in zip(old.parameters(), new.parameters(), strict=True))
    (tmp_path / "fresh").mkdir()
    fresh = load_file(train(dataclasses.replace(still, fit=FIT), tmp_path / "fresh") / "weights.safetensors")
    assert any(not torch.allclose(value, fresh[name]) for name, value in new.state_dict().items())


def test_a_share_of_the_first_weights_is_kept(first: Path, tmp_path: Path) -> None:
    runs = {keep: train(starting(first, keep=keep), tmp_path / str(keep)) for keep in (0.0, 0.25)}
    before, tuned, kept = (
        load_network(folder, read_card(folder)).state_dict() for folder in (first, runs[0.0], runs[0.25])
    )
    for name, value in kept.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, 0.25 * before[name] + 0.75 * tuned[name], rtol=0, atol=1e-6)
    assert any(not torch.allclose(value, tuned[name]) for name, value in kept.items())
    assert read_card(runs[0.25]).training["config"]["fit"]["keep"] == 0.25


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigRefused, match=r"fit.start: expected a checkpoint, of which fit.keep keeps a share"):
        FitConfig(keep=0.5)


class Killed(Exception):
    """Stands for a signal."""


def test_a_run_goes_on_from_the_same_start_wherever_it_lies(first: Path, tmp_path: Path) -> None:
    def kill(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == 2:
            raise Killed

    whole = train(starting(first), tmp_path / "whole")
    with pytest.raises(Killed):
        train(starting(first), tmp_path / "cut", watchers=[kill])
    moved = first.rename(first.with_name("moved"))
    try:
        cut = train(starting(moved), tmp_path / "cut")
        assert read_card(cut).hashes == read_card(whole).hashes
        with pytest.raises(ConfigRefused, match=r"holds a run from other first weights \(fit.start\)"):
            train(starting(cut), tmp_path / "cut")
        with pytest.raises(ConfigRefused, match=r"holds a run from other first weights"):
            train(dataclasses.replace(tiny(), name="second", fit=FIT), tmp_path / "cut")
    finally:
        moved.rename(first)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"network": StaticNetworkConfig("fcn", options={"width": 0.1})}, "fit.start: tiny@1 in .* has architecture"),
        ({"network": StaticNetworkConfig("unet", options={"width": 0.05})}, '"fcn"; this configuration\'s network has'),
        ({"network": StaticNetworkConfig("fcn", mean=(0.1,) * 4, options={"width": 0.05})}, "has mean"),
        ({"theme": "tree-cover"}, "has classes .*unburned.*this configuration's network has .*no trees"),
    ],
)
def test_another_network_is_refused(first: Path, tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigRefused, match=reason):
        train(dataclasses.replace(starting(first), **changes), tmp_path)


def test_what_is_no_checkpoint_is_refused(first: Path, tmp_path: Path) -> None:
    card = read_card(first)
    assert find_start("", card) is None
    with pytest.raises(CheckpointRefused, match=r"a checkpoint needs card.json"):
        find_start(str(tmp_path), card)
    with pytest.raises(ModelUnknown, match="no model 'nowhere'; there are: burned-area@8, "):
        find_start("nowhere", card)
    with pytest.raises(ConfigRefused, match=r'fit.start: unet@1 in .*unet has family "unet"'):
        find_start("unet", card)
    (tmp_path / "card.json").write_text(card.model_dump_json())
    (tmp_path / "weights.safetensors").write_bytes(b"cut short")
    with pytest.raises(CheckpointRefused, match="should have SHA-256"):
        find_start(str(tmp_path), card)
