"""A report of scores in a folder: numbers as JSON, and pictures of confusion, calibration, best and worst chips."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.card import LandClass
from models.errors import ReportUnavailable
from models.training.board import example_picture
from models.training.calibration import Calibration
from models.training.extremes import RankedChip
from models.training.metrics import Confusion
from models.training.scorecard import Scorecard

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ANNOTATED = 12
"""Up to this many classes, the cells of the confusion matrix are written out."""

DPI = 110


def as_json(told: Mapping[str, Any]) -> str:
    """Write scores as JSON; what is no number becomes null."""
    return json.dumps(_plain(told), indent=2, allow_nan=False)


def write_report(folder: Path, scores: Scorecard, told: Mapping[str, Any], bands: Sequence[str]) -> list[Path]:
    """Write scores.json, confusion.png, calibration.png and contact-sheet.png.

    Args:
        folder: is made where needed; files of an earlier report are replaced.
        scores: what the pictures show.
        told: what scores.json says; `model` in it becomes the pictures' title.
        bands: roles of the chips' bands.

    Raises:
        ReportUnavailable: the package matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as err:
        raise ReportUnavailable("the pictures of a report need matplotlib: pip install 'chronoseg[train]'") from err
    model = str(told.get("model", ""))
    figures = {
        "confusion.png": draw_confusion(scores.confusion, scores.classes, model),
        "calibration.png": draw_calibration(scores.calibration, model),
        "contact-sheet.png": draw_sheet(
            scores.extremes.best(), scores.extremes.worst(), bands, scores.classes, model
        ),
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scores.json").write_text(as_json(told) + "\n")
    for name, figure in figures.items():
        figure.savefig(folder / name)
    return [folder / name for name in ("scores.json", *figures)]


def draw_confusion(confusion: Confusion, classes: Sequence[LandClass], model: str) -> Figure:
    """Draw the confusion matrix: rows are the truth, colours the share of a row."""
    counts, names = confusion.counts, [one.name for one in classes]
    rows = counts.sum(1, keepdims=True)
    share = counts / np.where(rows > 0, rows, 1)
    side = 3.2 + 0.75 * min(len(names), 24)
    figure = _figure(side + 1.2, side, f"Confusion: {model}")
    axis = figure.subplots()
    shown = axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    if len(names) <= ANNOTATED:
        for (row, col), value in np.ndenumerate(share):
            text = f"{100 * value:.1f} %\n{counts[row, col]:,}"
            axis.text(col, row, text, ha="center", va="center", fontsize=9, color="white" if value > 0.6 else "black")
    axis.set_xticks(range(len(names)), names, rotation=90 if len(names) > 4 else 0)
    axis.set_yticks(range(len(names)), names)
    axis.set_xlabel("given class")
    axis.set_ylabel("true class")
    figure.colorbar(shown, ax=axis, label="share of the true class", fraction=0.046)
    return figure


def draw_calibration(calibration: Calibration, model: str) -> Figure:
    """Draw the reliability diagram: accuracy over confidence, and how many pixels have each confidence."""
    confidence, accuracy = calibration.curve()
    counts, edges = calibration.counts_M, np.linspace(0, 1, len(calibration.counts_M) + 1)
    figure = _figure(6.0, 6.6, f"Calibration: {model}")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    known = counts > 0
    width, middle = edges[1] - edges[0], (edges[:-1] + edges[1:]) / 2
    upper.bar(middle[known], accuracy[known], 0.92 * width, color="#9ecae1", label="share that is right")
    upper.plot([0, 1], [0, 1], "--", color="#666666", linewidth=1, label="as it should be")
    upper.plot(confidence[known], accuracy[known], "o-", color="#08519c", markersize=4, label="at its mean confidence")
    upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="share of pixels that are right")
    upper.set_title(f"expected calibration error {calibration.error():.4f}", fontsize=10)
    upper.legend(loc="upper left", frameon=False)
    lower.bar(middle, counts / max(int(counts.sum()), 1), 0.92 * width, color="#bbbbbb")
    lower.set(ylabel="share of pixels", xlabel="confidence (largest class probability)")
    return figure


def draw_sheet(
    best: Sequence[RankedChip],
    worst: Sequence[RankedChip],
    bands: Sequence[str],
    classes: Sequence[LandClass],
    model: str,
) -> Figure:
    """Draw the contact sheet: image, truth and mask of the best chips on the left, of the worst on the right."""
    from matplotlib.patches import Patch

    count = max(len(best), len(worst), 1)
    figure = _figure(13.0, 1.6 + 2.15 * count, f"Best and worst chips: {model}")
    axes = figure.subplots(count, 2, squeeze=False)
    for column, chips in enumerate((best, worst)):
        for axis in axes[:, column]:
            axis.set_axis_off()
        for axis, chip in zip(axes[:, column], chips, strict=False):
            axis.imshow(example_picture(chip.example, bands, classes))
            axis.set_title(f"{chip.example.name}: mean IoU {chip.score:.3f}", fontsize=9)
    for column, name in enumerate(("best", "worst")):
        _head(axes[0, column], f"{name}: image, truth, mask")
    if not best:
        axes[0, 0].text(0.5, 0.5, "no chip holds more than one class", ha="center", va="center")
    keys = [Patch(facecolor=one.color, edgecolor="#888888", label=one.name) for one in classes]
    keys.append(Patch(facecolor="#000000", label="not clear, or not known"))
    figure.legend(handles=keys, loc="outside lower center", ncols=min(len(keys), 8), frameon=False)
    return figure


def _figure(width_in: float, height_in: float, title: str) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=13)
    return figure


def _head(axis: Axes, text: str) -> None:
    axis.annotate(text, (0, 1), xytext=(0, 22), xycoords="axes fraction", textcoords="offset points", fontsize=11)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
