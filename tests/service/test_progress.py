"""What a training run looks like on a terminal, and where there is none."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from models.training.watching import Event, Note, Saved, Scored, Started, Stepped
from service.cli.progress import show_progress
from tests.models.training.static_runs import any_card

EVENTS: list[Event] = [
    Note("8 images left out: a"),
    Started(2, 4, any_card()),
    Stepped(3, 0.5, {"main": 0.5}, 0.01),
    Scored(3, {"mean_iou": 0.25}, True, ()),
    Stepped(4, 0.4321, {"main": 0.4321}, 0.01),
    Saved(4, 4, 0.4321, 1.5),
]


def test_a_terminal_gets_a_bar_with_what_is_said_above_it() -> None:
    out = io.StringIO()
    with show_progress(Console(file=out, force_terminal=True, width=100)) as watch:
        for event in EVENTS:
            watch(event)
    told = out.getvalue()
    for words in ("8 images left out: a", "goes on after step 2/4", "held out  mean_iou 0.2500", "4/4", "loss 0.4321"):
        assert words in told
    assert "1.5 min" not in told


def test_elsewhere_there_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress(Console(file=io.StringIO(), force_terminal=False)) as watch:
        for event in EVENTS:
            watch(event)
    assert capsys.readouterr().out.splitlines() == [
        "8 images left out: a",
        "goes on after step 2/4",
        "step 3  held out  mean_iou 0.2500",
        "step 4/4  loss 0.4321  1.5 min",
    ]
