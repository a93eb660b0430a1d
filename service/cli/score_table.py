"""Scores of a model as tables on a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

PER_CLASS = ("iou", "f1", "boundary_f1")


def print_scores(console: Console, told: Mapping[str, Any], names: Sequence[str]) -> None:
    """Print what was scored, the scores, and the scores of each class.

    Args:
        console: to print on.
        told: as `chronoseg evaluate --json` says it; lists and tables in it are left to the JSON.
        names: of the classes.
    """
    from rich.table import Column, Table

    of_classes = {f"{score} {name}" for score in PER_CLASS for name in names}
    scores = Table("score", Column("value", justify="right"), title=str(told["model"]))
    for name, value in told.items():
        if isinstance(value, float) and name not in of_classes:
            scores.add_row(name, _number(value))
        elif isinstance(value, str | int) and name != "model":
            console.print(f"{name}: {value}", highlight=False, soft_wrap=True)
    console.print(scores)
    known = [score for score in PER_CLASS if f"{score} {names[0]}" in told]
    if known:
        classes = Table("class", *(Column(score, justify="right") for score in known))
        for name in names:
            classes.add_row(name, *(_number(told[f"{score} {name}"]) for score in known))
        console.print(classes)


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
