"""Commands about models: training, scoring, listing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from geo.simulator.spec import Theme


def train(
    config: Annotated[str, typer.Argument(help="TOML file, or the theme of a shipped one: burned-area, tree-cover.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; a run that broke off there goes on.")],
) -> None:
    """Train a model on simulated series; the result is a checkpoint with its card."""
    from models.training.config import read_config, shipped_config

    path = Path(config)
    if not path.exists() and shipped_config(config).is_file():
        path = shipped_config(config)
    wanted = read_config(path)
    from models.training.loop import train as run
    from models.training.watching import tell_lines

    folder = run(wanted, out, watchers=[tell_lines(lambda line: print(line, flush=True))])
    print(f"checkpoint: {folder}")


def evaluate(
    model: Annotated[str, typer.Argument(help="Name, name@version, or a checkpoint's folder.")],
    series: Annotated[int, typer.Option(min=1, help="Simulated series to score on.")] = 16,
    size: Annotated[int, typer.Option(min=64, help="Their edge in pixels.")] = 256,
    validation: Annotated[bool, typer.Option(help="Score on the validation series, not the test series.")] = False,
) -> None:
    """Score a model on simulated series that no training has seen; prints JSON."""
    from models.card import read_card
    from models.errors import ModelUnknown
    from models.registry import find_model
    from models.training.themes import THEMES
    from workers.settings import Settings

    if Path(model, "card.json").is_file():
        card, folder = read_card(Path(model)), Path(model)
    else:
        card, folder = find_model(model, Settings().model_folders)
    themes: tuple[Theme, ...] = ("burned-area", "tree-cover")
    fitting = [theme for theme in themes if THEMES[theme].classes == card.classes]
    if not fitting:
        raise ModelUnknown(
            f"{card.id} has a legend of its own; simulated series have the truth for {' and '.join(themes)}"
        )
    from models.checkpoint import load_network
    from models.networks import stepping
    from models.training.evaluate import evaluate as score

    split: Literal["validation", "test"] = "validation" if validation else "test"
    scores = score(stepping(load_network(folder, card)), fitting[0], split=split, series=series, side_px=size)
    print(json.dumps({"model": card.id, "split": split, "series": series, "size": size, **scores}, indent=2))


def models() -> None:
    """List the installed models."""
    from rich.console import Console
    from rich.table import Column, Table

    from models.registry import list_models
    from workers.settings import Settings

    table = Table(Column("model", no_wrap=True), "what it maps", "classes", "bands", "pixels", "measured")
    for card, _ in list_models(Settings().model_folders):
        classes = ", ".join(f"{c.id} {c.name}" for c in card.classes)
        scores = "\n".join(f"{name} {value}" for name, value in card.scores.items() if isinstance(value, int | float))
        pixels = f"{card.res_m[0]:g}-{card.res_m[1]:g} m"
        table.add_row(card.id, card.title, classes, ", ".join(card.bands), pixels, scores)
    Console().print(table)
