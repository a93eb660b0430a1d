"""Training static networks: draws, losses, runs that are killed and go on, patience, divergence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from models.card import MASK_NODATA
from models.errors import ConfigRefused, TrainingDiverged
from models.pspnet import AUXILIARY_WEIGHT
from models.static import StaticNet
from models.training.adversary import Adversary
from models.training.config import TrainConfig
from models.training.data_config import DatesConfig
from models.training.fit_config import FitConfig
from models.training.lesson import Shown
from models.training.loop import fit
from models.training.losses import build_loss
from models.training.processes import Processes
from models.training.single_date import DateLesson, DateObjective
from models.training.static_config import AdversarialConfig, LossConfig
from models.training.watching import Event, Example, Scored, Stepped, Watcher
from tests.models.training.static_runs import any_card, tiny

CARD = any_card()


class Killed(Exception):
    """Stands for a signal, a power cut, a worker that was taken away."""


def kill_at(step: int) -> Watcher:
    def watch(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == step:
            raise Killed

    return watch


RUNS = {
    "plain": tiny("unet"),
    "dropout": tiny("segnet", options={"bayesian": True}),
    "adversarial": tiny("fcn", adversarial=AdversarialConfig(weight=0.5, widths=(4, 4), from_step=1)),
    "instances": tiny("mask_rcnn", options={"proposals": 8, "samples": 8}),
}


@pytest.mark.parametrize("kind", RUNS)
@pytest.mark.parametrize("step", [1, 3])
def test_a_run_that_is_killed_goes_on_and_ends_the_same(tmp_path: Path, kind: str, step: int) -> None:
    lesson = DateLesson(RUNS[kind])
    whole = fit(lesson, CARD, tmp_path)
    (tmp_path / "cut").mkdir()
    with pytest.raises(Killed):
        fit(lesson, CARD, tmp_path / "cut", watchers=[kill_at(step)])
    steps: list[int] = []
    cut = fit(lesson, CARD, tmp_path / "cut", watchers=[lambda e: steps.append(getattr(e, "step", 0))])
    assert steps[1] == (1 if step < 2 else 3)  # goes on from the last save, not from the start
    assert whole.state_dict().keys() == cut.state_dict().keys()
    assert all(torch.equal(value, cut.state_dict()[name]) for name, value in whole.state_dict().items())
    one, other = (load_file(folder / "run.safetensors") for folder in (tmp_path, tmp_path / "cut"))
    assert any(name.startswith("judge_adam.") for name in one) == (kind == "adversarial")
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_adversarial_steps_teach_both_and_differ_from_plain_ones(tmp_path: Path) -> None:
    events: list[Event] = []
    adversarial = fit(DateLesson(RUNS["adversarial"]), CARD, tmp_path, watchers=[events.append])
    terms = [event.terms for event in events if isinstance(event, Stepped)]
    assert [sorted(some) for some in terms] == [["discriminator", "main"]] + 3 * [["discriminator", "fooling", "main"]]
    (tmp_path / "plain").mkdir()
    plain = fit(DateLesson(tiny("fcn")), CARD, tmp_path / "plain")
    assert any(not torch.equal(a, b) for a, b in zip(plain.parameters(), adversarial.parameters(), strict=True))


@pytest.mark.parametrize("reads", ["basic", "product", "scaling"])
def test_each_learns_in_its_own_turn_only(reads: Literal["basic", "product", "scaling"]) -> None:
    torch.manual_seed(0)
    adversary = Adversary(AdversarialConfig(reads=reads, widths=(4,)), 4, 2, Processes())
    logits = torch.randn(2, 2, 8, 8, requires_grad=True)
    target, valid = torch.randint(0, 2, (2, 8, 8)), torch.rand(2, 8, 8) > 0.2
    shown = Shown(torch.randn(2, 4, 8, 8), logits, target, valid)
    term = adversary.fooling(shown, 0)
    assert term is not None
    torch.autograd.backward(term)
    assert logits.grad is not None
    assert logits.grad[valid.unsqueeze(1).expand_as(logits)].abs().sum() > 0
    assert all(weight.grad is None for weight in adversary.judge.parameters())
    logits.grad, before = None, [weight.clone() for weight in adversary.judge.parameters()]
    losses = [adversary.learn(shown) for _ in range(30)]
    assert logits.grad is None
    assert all(not torch.equal(a, b) for a, b in zip(before, adversary.judge.parameters(), strict=True))
    assert losses[-1] < losses[0]


def test_draws_are_a_function_of_the_step_and_share_out() -> None:
    lesson, alone = DateLesson(tiny()), Processes()
    whole, again, other = (lesson.draw(step, alone) for step in (3, 3, 4))
    halves = [lesson.draw(3, Processes(rank, 2)) for rank in (0, 1)]
    for tensor, same, differs, first, second in zip(whole, again, other, *halves, strict=True):
        assert torch.equal(tensor, same)
        assert torch.equal(tensor, torch.cat([first, second]))
        assert not torch.equal(tensor, differs) or tensor.dtype == torch.bool
    with pytest.raises(ConfigRefused, match=r"2 draws in a step cannot be shared by 3 processes"):
        lesson.draw(0, Processes(0, 3))


def test_what_is_not_clear_or_not_known_never_matters() -> None:
    net = DateLesson(tiny()).build()
    assert isinstance(net, StaticNet)
    asks = DateObjective(net, build_loss({"cross_entropy": 1.0, "dice": 0.5, "lovasz": 1.0}), Processes(), False)
    rng = torch.Generator().manual_seed(0)
    x, clear = torch.rand(2, 4, 32, 32, generator=rng), torch.rand(2, 32, 32, generator=rng) > 0.3
    target = torch.randint(0, 2, (2, 32, 32), generator=rng)
    target[:, :4] = MASK_NODATA

    def gradient(x: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        terms, shown = asks(x, clear, target)
        assert isinstance(shown, Shown)
        assert not shown.valid[:, :4].any()
        asks.zero_grad()
        torch.autograd.backward(terms["main"])
        grads = [weight.grad.flatten() for weight in net.parameters() if weight.grad is not None]
        return terms["main"].detach(), torch.cat(grads)

    hidden = torch.where(clear.unsqueeze(1), x, torch.nan)
    confused = torch.where(clear, target, 1 - target.clamp(max=1))
    for one, other in zip(gradient(x, target), gradient(hidden, confused), strict=True):
        assert torch.equal(one, other)
        assert torch.isfinite(one).all()


def test_auxiliary_heads_count_with_their_weight() -> None:
    lesson = DateLesson(tiny("pspnet"))
    net = lesson.build().train()
    torch.manual_seed(0)  # of the head's dropout
    terms, _ = lesson.objective(net, Processes())(*lesson.draw(0, Processes()))
    assert list(terms) == ["main", "auxiliary1"]
    x, clear, target = lesson.draw(0, Processes())
    assert isinstance(net, StaticNet)
    torch.manual_seed(0)
    _, (weight, logits) = net.outputs(torch.where(clear.unsqueeze(1), x, net.mean_C11))
    loss = build_loss(LossConfig().terms)(logits, target, clear)
    assert weight == AUXILIARY_WEIGHT == 0.4
    assert float(terms["auxiliary1"].detach()) == pytest.approx(0.4 * float(loss.detach()), rel=1e-4)


class Scripted(DateLesson):
    """A lesson whose scores are written down beforehand; remembers the weights that it was shown."""

    def __init__(self, config: TrainConfig, scores: Sequence[float]) -> None:
        super().__init__(config)
        self.scores, self.seen = list(scores), list[dict[str, torch.Tensor]]()

    def score(self, net: nn.Module) -> tuple[Mapping[str, float], Sequence[Example]]:
        self.seen.append({name: value.clone() for name, value in net.state_dict().items()})
        return {"mean_iou": self.scores[len(self.seen) - 1]}, ()


def test_patience_stops_and_gives_the_best_weights(tmp_path: Path) -> None:
    plan = FitConfig(steps=20, save_every=50, validate_every=1, patience=2)
    lesson = Scripted(tiny(fit=plan), [0.3, float("nan"), 0.5, 0.4, 0.5, 0.9])
    events: list[Event] = []
    found = fit(lesson, CARD, tmp_path, watchers=[events.append])
    assert [(e.step, e.best) for e in events if isinstance(e, Scored)] == [
        (1, True), (2, False), (3, True), (4, False), (5, False),
    ]  # fmt: skip
    assert all(torch.equal(value, lesson.seen[2][name]) for name, value in found.state_dict().items())
    again = fit(lesson, CARD, tmp_path)  # a run that has stopped stays stopped
    assert len(lesson.seen) == 5
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in found.state_dict().items())


def test_without_patience_the_last_weights_are_given(tmp_path: Path) -> None:
    lesson = Scripted(tiny(fit=FitConfig(steps=2, save_every=50, validate_every=1)), [0.9, 0.1])
    found = fit(lesson, CARD, tmp_path)
    assert all(torch.equal(value, lesson.seen[1][name]) for name, value in found.state_dict().items())


def test_a_loss_that_is_no_number_ends_the_run(tmp_path: Path) -> None:
    wild = tiny(fit=FitConfig(steps=9, peak_rate=1e30, warmup=0, validate_every=100))
    with pytest.raises(TrainingDiverged, match=r"the loss is nan at step \d .*; lower fit.peak_rate"):
        fit(DateLesson(wild), CARD, tmp_path)


def test_a_card_says_what_was_trained_on_what() -> None:
    lesson = DateLesson(tiny("pspnet", loss=LossConfig(class_weights="median-frequency")))
    card = lesson.card()
    assert (card.family, card.tiling, card.tile_px, card.stride_px, card.radius_px) == ("pspnet", "blend", 32, 16, 16)
    assert card.bands == ("blue", "green", "red", "nir")
    assert [c.name for c in card.classes] == ["unburned", "burned"]
    assert "date alone" in card.description
    assert card.training["config"]["network"]["options"] == {"width": 0.05}
    assert card.training["config"]["loss"]["class_weights"] == "median-frequency"
    assert "adversarial" not in card.training["config"]


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (tiny("unet", options={"depth": 3}), r"unknown key depth; unet takes encoder, upsampling, width, mean, std"),
        (tiny("unet", options={"encoder": "vit"}), r"unet cannot be built with .*vit"),
        (tiny("segnet", options={"encoder": "resnet18"}), r"segnet cannot be built"),
        (tiny("fcn", data=DatesConfig(chip_px=40)), r"chip_px: expected a multiple of the stride 32; got 40"),
    ],
)
def test_a_network_that_cannot_be_built_is_refused_with_the_reason(config: TrainConfig, reason: str) -> None:
    with pytest.raises(ConfigRefused, match=reason):
        DateLesson(config).build()


def test_scores_of_pictures_count_what_is_clear_and_known() -> None:
    lesson = DateLesson(tiny())
    scores, examples = lesson.score(lesson.build())
    assert set(scores) >= {"mean_iou", "accuracy", "iou unburned", "iou burned"}
    assert 0 <= scores["accuracy"] <= 1
    assert len(examples) == 4
    assert all(example.mask.shape == (32, 32) for example in examples)
    assert all(np.isin(example.mask, (0, 1, MASK_NODATA)).all() for example in examples)
