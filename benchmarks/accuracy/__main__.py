"""Accuracy on landscapes that no training has seen: the shipped network, its rivals at one budget, and thresholds.

    python -m benchmarks.accuracy table [--theme burned-area] [--rivals DIR] [--landscapes 20] [--witnessed]
        [--kinds standard cloudy "unseen regime" "years apart" "no fire"] [--reliability PNG]
    python -m benchmarks.accuracy cuts [--landscapes 48] [--model NAME]
    python -m benchmarks.accuracy train DIR [--theme burned-area] [--steps 1500] [--only NAME ...] [--readers N]
    python -m benchmarks.accuracy export DIR [--theme burned-area] [--train 512] [--val 64] [--test 64]

Columns: IoU of the followed class, mean over ten dates, where the ground could be seen (`everywhere`: from a pixel's
first clear look on, under cloud too); `day`: share of the changed pixels whose change is given right to within one
look; ECE: expected calibration error; `witnessed`: IoU without the pixels whose first look came after their change;
`false alarms`, where there is no fire: share of the ground that is called burned on the last date.
Landscapes: `benchmarks/accuracy/landscapes.py`. `cuts` tells on validation landscapes what `models.settling.SETS_IN`
would give if it were another.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import safetensors.torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.accuracy.cuts import print_cuts
from benchmarks.accuracy.export import export
from benchmarks.accuracy.indices import INDICES, Index, masks_by, tune
from benchmarks.accuracy.landscapes import KINDS, LANDSCAPES, NO_FIRE, kinds_of, landscapes_of
from benchmarks.accuracy.rivals import RIVALS
from benchmarks.accuracy.score import Accuracy, probs_of
from benchmarks.accuracy.train import train_rivals, weights_of
from geo.simulator.series import Series
from geo.simulator.spec import THEMES as THEME_NAMES
from geo.simulator.spec import Theme
from models.checkpoint import load_network
from models.engine import Engine
from models.engines.open import open_engine
from models.registry import find_model
from models.settling import settle
from models.training.config import DataConfig, NetworkConfig, TrainConfig, read_config, shipped_config
from models.training.evaluate import walked
from models.training.recurrent import about_series

Run = Callable[[Series], tuple[NDArray[np.uint8], NDArray[np.float32] | None]]


def networks(theme: Theme, rivals: Path | None) -> Iterator[tuple[str, Run]]:
    """Yield the shipped network of a theme, and the rivals that were trained."""
    card, folder = find_model(theme)
    yield f"{card.id}, as shipped", runner(load_network(folder, card), lasting=card.change.lasting)
    yield f"{card.id}, tta", engine_runner(open_engine(folder, device="cpu", tta=True))
    if rivals is None:
        return
    config = read_config(shipped_config(theme))
    if not isinstance(config.network, NetworkConfig):
        raise TypeError(f"expected a configuration of the Recurrent U-Net; got {config.network}")
    for name, build in RIVALS.items():
        path = weights_of(rivals, name)
        if path.is_file():
            net = build(config.network, about_series(config)).eval()
            net.load_state_dict(safetensors.torch.load_file(path))
            yield name, runner(net, lasting=bool(getattr(net, "lasting", False)))


def runner(net: nn.Module, *, lasting: bool) -> Run:
    """Return what runs a network over a series."""

    def run(series: Series) -> tuple[NDArray[np.uint8], NDArray[np.float32] | None]:
        probs = probs_of(net, series)
        return np.stack([*settle(probs, lasting=lasting)]), probs

    return run


def engine_runner(engine: Engine) -> Run:
    """Return what runs an engine over a series."""

    def run(series: Series) -> tuple[NDArray[np.uint8], NDArray[np.float32] | None]:
        looks = zip(series.reflectance, series.clear, series.days, strict=True)
        probs = np.stack([*walked(engine, series.spec.shape, looks)])
        return np.stack([*settle(probs, lasting=engine.card.change.lasting)]), probs

    return run


def thresholds(theme: Theme) -> Iterator[tuple[str, Run]]:
    """Yield the tuned thresholds of a theme."""
    for name, index in INDICES[theme].items():
        threshold = tune(theme, index)
        yield f"{name}, threshold", _by_threshold(index, threshold)


def _by_threshold(index: Index, threshold: float) -> Run:
    return lambda series: (masks_by(index, threshold, series), None)


COLUMNS: dict[str, Callable[[Accuracy], float]] = {
    "IoU": Accuracy.iou,
    "witnessed": Accuracy.iou_witnessed,
    "everywhere": Accuracy.iou_everywhere,
    "day": Accuracy.right_day_share,
    "ECE": lambda scored: scored.calibration.error(),
    "false alarms": Accuracy.false_alarm_share,
}


def columns_of(kind: str, *, witnessed: bool) -> list[str]:
    """Return the scores that mean something on a kind of landscapes."""
    if kind == NO_FIRE:
        return ["false alarms", "ECE"]
    return ["IoU", *(["witnessed"] if witnessed else []), "everywhere", "day", "ECE"]


@dataclasses.dataclass(frozen=True)
class Asked:
    """What the table should hold: kinds of landscapes, how many of each, and whether a column `witnessed`."""

    theme: Theme
    kinds: tuple[str, ...]
    landscapes: int
    witnessed: bool


def table(asked: Asked, rivals: Path | None, reliability: Path | None) -> None:
    """Print the table; write the reliability plot of the shipped network on the first kind."""
    theme, kinds, landscapes = asked.theme, asked.kinds, asked.landscapes
    columns = {kind: columns_of(kind, witnessed=asked.witnessed) for kind in kinds}
    print("| network | " + " | ".join(f"{kind}: {' | '.join(columns[kind])}" for kind in kinds) + " |")
    print("|---" * (1 + sum(map(len, columns.values()))) + "|")
    for number, (name, run) in enumerate((*networks(theme, rivals), *thresholds(theme))):
        cells = []
        for kind in kinds:
            scored = Accuracy(theme)
            for series in landscapes_of(kind, theme, landscapes):
                masks, probs = run(series)
                scored.add(series, masks, probs)
            values = [COLUMNS[name](scored) for name in columns[kind]]
            cells += ["-" if np.isnan(value) else f"{value:.3f}" for value in values]
            if number == 0 and kind == kinds[0] and reliability is not None:
                plot(scored, reliability)
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def plot(scored: Accuracy, path: Path) -> None:
    """Draw confidence against accuracy."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    confidence, accuracy = scored.calibration.curve()
    figure, axis = pyplot.subplots(figsize=(5, 5))
    axis.plot([0.5, 1], [0.5, 1], color="0.7", label="as it says")
    axis.plot(
        confidence, accuracy, marker="o", color="#c1272d", label=f"measured, ECE {scored.calibration.error():.3f}"
    )
    axis.set(xlabel="confidence", ylabel="share right", xlim=(0.5, 1), ylim=(0.4, 1.01), title=scored.theme)
    axis.legend(loc="upper left")
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def budget(theme: Theme, steps: int, dates_per_step: int) -> TrainConfig:
    """Return the shipped configuration of a theme at a rival's budget."""
    config = read_config(shipped_config(theme))
    if not isinstance(config.data, DataConfig):
        raise TypeError(f"expected a configuration of simulated series; got {config.data}")
    fit = dataclasses.replace(config.fit, steps=steps)
    return dataclasses.replace(config, fit=fit, data=dataclasses.replace(config.data, dates_per_step=dates_per_step))


def main() -> None:
    """Read the arguments and do it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    does = parser.add_subparsers(required=True, dest="does")
    for name in ("table", "train", "export"):
        one = does.add_parser(name)
        one.add_argument("--theme", default="burned-area", choices=THEME_NAMES)
        if name != "table":
            one.add_argument("folder", type=Path)
    tables, trains, exports = (does.choices[name] for name in ("table", "train", "export"))
    cuts = does.add_parser("cuts")
    cuts.add_argument("--model", default="burned-area", help="name, or a checkpoint's folder")
    cuts.add_argument("--landscapes", type=int, default=48)
    tables.add_argument("--rivals", type=Path, help="folder of `train`")
    tables.add_argument("--kinds", nargs="+", default=list(KINDS), metavar="KIND")
    tables.add_argument("--landscapes", type=int, default=LANDSCAPES)
    tables.add_argument("--witnessed", action="store_true", help="IoU without what changed before its first look, too")
    tables.add_argument("--reliability", type=Path, help="write the reliability plot here")
    trains.add_argument("--steps", type=int, default=1500)
    trains.add_argument("--dates-per-step", type=int, default=20)
    trains.add_argument("--only", nargs="+", default=list(RIVALS), choices=list(RIVALS), metavar="NAME")
    trains.add_argument("--readers", type=int, default=0)
    for split, count in (("train", 512), ("val", 64), ("test", 64)):
        exports.add_argument(f"--{split}", type=int, default=count)
    wanted = parser.parse_args()
    if wanted.does == "cuts":
        print_cuts(wanted.model, wanted.landscapes)
    elif wanted.does == "table":
        if unknown := set(wanted.kinds) - set(kinds_of(wanted.theme)):
            tables.error(f"{wanted.theme} has no kinds {sorted(unknown)}; use some of {kinds_of(wanted.theme)}")
        asked = Asked(wanted.theme, tuple(wanted.kinds), wanted.landscapes, wanted.witnessed)
        table(asked, wanted.rivals, wanted.reliability)
    elif wanted.does == "train":
        config = budget(wanted.theme, wanted.steps, wanted.dates_per_step)
        train_rivals(config, wanted.only, wanted.folder, readers=wanted.readers)
    else:
        counts = {"train": wanted.train, "val": wanted.val, "test": wanted.test}
        for path in export(wanted.folder, wanted.theme, counts):
            print(path)


if __name__ == "__main__":
    main()
