"""Training: configurations, chips, loss, metrics, and a run that is killed and goes on."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import safetensors
import torch

from geo.simulator.series import truth
from geo.simulator.spec import Theme
from models.card import Card, read_card
from models.checkpoint import load_network
from models.engines.open import open_engine
from models.errors import ConfigRefused
from models.training import loop, recurrent
from models.training.augment import augment
from models.training.chips import TEST_SEEDS, TRAIN_SEEDS, VALIDATION_SEEDS, draw_chip
from models.training.config import DataConfig, NetworkConfig, TrainConfig, read_config, shipped_config
from models.training.evaluate import evaluate
from models.training.fit_config import FitConfig
from models.training.losses import masked_loss
from models.training.metrics import Confusion
from models.training.run_state import Run, load_run, save_run
from models.training.themes import THEMES
from models.training.watching import Event, Stepped, Watcher, tell_lines
from tests.models.refused_configs import reason_of

TINY = TrainConfig(
    theme="burned-area",
    name="tiny",
    network=NetworkConfig(widths=(4, 8), memory=(4, 8)),
    data=DataConfig(chip_px=32, dates_per_step=4, dates=(2, 3)),
    fit=FitConfig(steps=4, save_every=2, validate_every=100),
)


class Killed(Exception):
    """Stands for a signal, a power cut, a worker that was taken away."""


def kill_at(step: int) -> Watcher:
    def watch(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == step:
            raise Killed

    return watch


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_killed_run_goes_on_and_ends_the_same(optimizer: Literal["adamw", "muon"], tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, fit=dataclasses.replace(TINY.fit, optimizer=optimizer))
    whole = loop.train(config, tmp_path / "whole")
    with pytest.raises(Killed):
        loop.train(config, tmp_path / "cut", watchers=[kill_at(3)])
    lines: list[str] = []
    cut = loop.train(config, tmp_path / "cut", watchers=[tell_lines(lines.append)])
    assert lines[0] == "goes on after step 2/4"
    assert [line.split()[:2] for line in lines[1:]] == [["step", "4/4"]]
    assert read_card(cut).hashes == read_card(whole).hashes
    assert load_network(cut, read_card(cut)).stride_px == 2
    assert open_engine(cut, device="cpu").card.name == "tiny"
    with safetensors.safe_open(tmp_path / "cut" / "run.safetensors", framework="pt") as file:
        told = file.metadata()
    card = Card.model_validate_json(told["card"])
    assert card.training == read_card(cut).training
    assert (told["seed"], told["fingerprint"]) == ("0", card.training["data_sha256"])
    assert told["revision"]


def test_a_run_of_another_configuration_or_other_data_is_not_gone_on_with(tmp_path: Path) -> None:
    run, facts = _run(), {"config": "a", "fingerprint": "b"}
    save_run(tmp_path, run, facts)
    load_run(tmp_path, _run(), facts)
    with pytest.raises(ConfigRefused, match="another configuration"):
        load_run(tmp_path, _run(), {**facts, "config": "c"})
    with pytest.raises(ConfigRefused, match="on other data"):
        load_run(tmp_path, _run(), {**facts, "fingerprint": "c"})


def test_a_run_from_before_fingerprints_is_gone_on_with(tmp_path: Path) -> None:
    run = _run()
    run.step = 7
    save_run(tmp_path, run, {"config": "a"})
    later = _run()
    load_run(tmp_path, later, {"config": "a", "fingerprint": "b"})
    assert later.step == 7


def _run() -> Run:
    net = torch.nn.Conv2d(1, 1, 1)
    return Run(net, copy.deepcopy(net), torch.optim.AdamW(net.parameters()))


def test_the_loss_falls_on_one_batch() -> None:
    torch.manual_seed(0)
    x, clear, day, target = recurrent.draw_batch(dataclasses.replace(TINY, data=DataConfig(chip_px=32, dates=(4,))), 1)
    net = recurrent.build(TINY).train()
    adam = torch.optim.AdamW(net.parameters(), lr=0.01)
    losses = []
    for _ in range(40):
        loss = masked_loss(net(x, clear, day), target.long(), clear, dice_weight=0.5)
        adam.zero_grad()
        torch.autograd.backward(loss)
        adam.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


def test_batches_depend_on_configuration_and_step_alone() -> None:
    first, again, other = recurrent.draw_batch(TINY, 3), recurrent.draw_batch(TINY, 3), recurrent.draw_batch(TINY, 4)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert first[0].shape != other[0].shape or not torch.equal(first[0], other[0])


def test_the_rate_rises_then_falls_to_nothing() -> None:
    config = dataclasses.replace(TINY, fit=FitConfig(steps=100, peak_rate=1.0, warmup=0.1))
    rates = [loop.rate_at(step, config) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))
    assert rates[-1] < 1e-3
    half = dataclasses.replace(TINY, fit=dataclasses.replace(config.fit, steps=50, schedule=100))
    assert [loop.rate_at(step, half) for step in range(50)] == rates[:50]
    with pytest.raises(ConfigRefused, match=r"fit\.schedule: expected 0, or more than fit\.steps = 50"):
        FitConfig(steps=50, schedule=50)


@pytest.mark.parametrize("theme", ["burned-area", "tree-cover"])
def test_augmentation_moves_truth_with_the_image(theme: Theme) -> None:
    chip = draw_chip(theme, DataConfig(chip_px=40), 3, 5, np.random.default_rng(0))
    assert chip.reflectance.shape == (3, 4, 40, 40)
    assert chip.target.shape == chip.clear.shape == (3, 40, 40)
    seen = set()
    for seed in range(12):
        other = augment(chip, np.random.default_rng(seed))
        for turns in range(4):
            for flip in (False, True):
                moved = np.rot90(chip.target, turns, (-2, -1))
                moved = moved[..., ::-1] if flip else moved
                if np.array_equal(moved, other.target):
                    image = np.rot90(chip.reflectance, turns, (-2, -1))
                    ratio = other.reflectance / (image[..., ::-1] if flip else image)
                    if np.ptp(ratio, axis=(0, 2, 3)).max() < 1e-4:
                        seen.add((turns, flip))
        assert np.all(np.diff(other.days) == np.diff(chip.days))
        assert other.clear.sum() <= chip.clear.sum()
    assert len(seen) >= 3


def test_the_loss_reads_clear_pixels_only() -> None:
    logprobs = torch.log_softmax(torch.randn(1, 2, 2, 4, 4), dim=2)
    target, clear = torch.randint(0, 2, (1, 2, 4, 4)), torch.rand(1, 2, 4, 4) > 0.5
    loss = masked_loss(logprobs, target, clear, dice_weight=0.5)
    flipped = torch.where(clear, target, 1 - target)
    assert torch.equal(masked_loss(logprobs, flipped, clear, dice_weight=0.5), loss)
    sure = torch.where(torch.stack([target == 0, target == 1], 2), 0.0, -30.0)
    assert float(masked_loss(sure, target, clear, dice_weight=0.5)) == pytest.approx(0, abs=1e-4)
    assert float(masked_loss(logprobs, target, torch.zeros_like(clear), dice_weight=0.5)) == pytest.approx(0)


def test_metrics_by_hand() -> None:
    confusion = Confusion(2)
    confusion.add(np.array([1, 1, 1, 0, 0, 9]), np.array([1, 0, 1, 1, 0, 255]), np.array([1, 1, 1, 1, 1, 0], bool))
    assert confusion.counts.tolist() == [[1, 1], [1, 2]]
    assert confusion.iou(1) == pytest.approx(2 / 4)
    assert confusion.iou(0) == pytest.approx(1 / 3)
    assert confusion.accuracy() == pytest.approx(3 / 5)
    assert confusion.precision(1) == confusion.recall(1) == pytest.approx(2 / 3)
    assert all(math.isnan(v) for v in (Confusion(2).iou(1), Confusion(2).accuracy(), Confusion(2).recall(1)))


def test_metrics_stream() -> None:
    rng = np.random.default_rng(0)
    truth, mask, valid = rng.integers(0, 3, (4, 9, 9)), rng.integers(0, 3, (4, 9, 9)), rng.uniform(size=(4, 9, 9)) > 0.2
    whole, streamed = Confusion(3), Confusion(3)
    whole.add(truth, mask, valid)
    for one in zip(truth, mask, valid, strict=True):
        streamed.add(*one)
    assert whole.counts.tolist() == streamed.counts.tolist()
    for k in range(3):
        both, either = (truth == k) & (mask == k) & valid, ((truth == k) | (mask == k)) & valid
        assert whole.iou(k) == pytest.approx(both.sum() / either.sum())


@pytest.mark.parametrize(
    ("theme", "names"),
    [
        ("burned-area", [*(f"burned-area-{number}" for number in range(8, 1, -1)), "burned-area"]),
        ("tree-cover", [*(f"tree-cover-{number}" for number in range(6, 1, -1)), "tree-cover"]),
    ],
)
def test_shipped_configurations_are_those_on_the_cards(theme: str, names: list[str]) -> None:
    assert set(TRAIN_SEEDS).isdisjoint({*VALIDATION_SEEDS, *TEST_SEEDS})
    assert max(TEST_SEEDS) < 20_000
    card = read_card(Path(loop.__file__).parents[1] / "checkpoints" / theme)
    training = card.training
    for name in names:  # the last one first
        config = read_config(shipped_config(name))
        assert config.theme == config.name == theme
        made = recurrent.make_card(config, recurrent.build(config)).model_dump(mode="json")
        assert training["config"] == made["training"]["config"]
        training = training.get("start", {}).get("training", {})
    assert training == {}  # the first weights were fresh
    assert card.classes == THEMES[theme].classes


@pytest.mark.parametrize("theme", ["burned-area", "tree-cover"])
def test_evaluation_knows_the_perfect_and_the_idle(theme: Theme, monkeypatch: pytest.MonkeyPatch) -> None:
    from models.training import evaluate as module

    net = recurrent.build(dataclasses.replace(TINY, theme=theme))
    scores = evaluate(net, theme, split="validation", series=1, side_px=32)
    assert set(scores) == {"iou", "change_iou", "clear_iou", "clear_change_iou", "accuracy"}
    monkeypatch.setattr(module, "masks_of", lambda _, series: truth(series))
    perfect = evaluate(net, theme, split="validation", series=3, side_px=48)
    assert all(value == 1 for value in perfect.values())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("theme = ", "expected a TOML file"),
        ('theme = "moon"\nname = "x"', "theme: Input should be 'burned-area' or 'tree-cover'; got 'moon'"),
        ('theme = "burned-area"', "name"),
        ('theme = "burned-area"\nname = "x"\nspeed = 3', "unknown key speed"),
        ('theme = "burned-area"\nname = "x"\n[fit]\nsteps = 0', "fit.steps: expected 1 or more; got 0"),
        ('theme = "burned-area"\nname = "x"\n[fit]\nsteps = "ten"', "fit.steps"),
        ('theme = "burned-area"\nname = "x"\n[data]\nchip_px = 100', "multiple of the stride 8"),
        ('theme = "burned-area"\nname = "x"\n[network]\nwidths = [8]', "network.widths"),
        ('theme = "burned-area"\nname = "x"\nfit = 3', "fit"),
        ('theme = "burned-area"\nname = "../x"', "name"),
    ],
)
def test_a_bad_configuration_is_refused_with_the_reason(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in reason_of(tmp_path, text)


def test_a_missing_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigRefused, match=r"none.toml: expected a TOML file"):
        read_config(tmp_path / "none.toml")
