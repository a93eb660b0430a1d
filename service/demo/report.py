"""What the demo found: a table of scores, the contact sheet, and what is wrong with them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from service.demo.scores import DateScore, mean, score_dates
from service.demo.series import Chapter, Written
from service.demo.sheet import Panel, draw_sheet

NEEDED_IOU = 0.85


def report(chapter: Chapter, written: Written, folder: Path, card: dict[str, Any], console: Console) -> list[str]:
    """Print the scores and draw the sheet; returns what is wrong.

    Args:
        chapter: which half of the demo.
        written: its series.
        folder: with the products and the truth.
        card: of the model, as the service tells it.
        console: to print on.
    """
    masks = {date: folder / f"mask_{date}.tif" for date in written.truths}
    truths = {date: folder / f"truth_{date}.tif" for date in written.truths}
    scores = score_dates(masks, truths, follow_loss=bool(chapter.change))
    console.print(_table(chapter, scores))
    reached = mean([s.iou for s in scores])
    if scores[-1].true_ha:
        name = chapter.change or chapter.followed
        console.print(
            f"{name} by the last date: {scores[-1].mapped_ha:.1f} ha mapped, {scores[-1].true_ha:.1f} ha true"
        )
    legend = {c["id"]: (c["name"], c["color"]) for c in card["classes"]}
    title = f"{chapter.title}: simulated PlanetScope series (seed {chapter.seed}), mean IoU {reached:.3f}"
    draw_sheet(folder / "contact-sheet.png", title, legend, _panels(written, scores, folder))
    console.print(f"products, truth and contact sheet: {folder}")
    if reached >= NEEDED_IOU:
        return []
    return [f"{chapter.title}: mean IoU of {chapter.followed} is {reached:.3f}, needed is {NEEDED_IOU}"]


def _table(chapter: Chapter, scores: list[DateScore]) -> Table:
    area = chapter.change or chapter.followed
    columns = ["date", f"IoU {chapter.followed}", *([f"IoU {chapter.change}"] if chapter.change else []), "accuracy"]
    table = Table(*columns, f"{area}, mapped ha", "true ha", "note")
    for score in scores:
        change = [_number(score.change_iou)] if chapter.change else []
        false_alarm = not score.true_ha and score.mapped_ha
        note = f"false alarm of {score.mapped_ha:.2f} ha" if false_alarm else ""
        date = f"{score.date[:4]}-{score.date[4:6]}-{score.date[6:]}"
        numbers = _number(score.accuracy), f"{score.mapped_ha:.2f}", f"{score.true_ha:.2f}"
        table.add_row(date, _number(score.iou), *change, *numbers, note)
    change = [_number(mean([s.change_iou for s in scores]))] if chapter.change else []
    means = [_number(mean([s.iou for s in scores])), *change, _number(mean([s.accuracy for s in scores]))]
    table.add_section()
    table.add_row("mean", *means, "", "", "")
    return table


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _panels(written: Written, scores: list[DateScore], folder: Path) -> list[Panel]:
    return [
        Panel(
            title=f"{s.date[:4]}-{s.date[4:6]}-{s.date[6:]}",
            images=tuple(scene.image for scene in written.scenes if scene.image.name.startswith(s.date)),
            truth=folder / f"truth_{s.date}.tif",
            mask=folder / f"mask_{s.date}.tif",
            caption=f"IoU {_number(s.iou)}",
        )
        for s in scores
    ]
