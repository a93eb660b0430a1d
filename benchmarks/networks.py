"""One table of all installed networks of one legend: size, cost, tiling, and scores on the same held-out landscapes.

    python -m benchmarks.networks [--like unet] [--series 16] [--models FOLDER] [--isbi FOLDER] [--isbi-data FOLDER]

FLOPs are multiplications and additions of the bare network, of Mask R-CNN for as many boxes as it found; a network that
blends, or finds instances, computes every pixel four times. The time is that of one date of 512 x 512 pixels in the
engine that a job would use, over that of the network `--like`. Learned from: chips times their pixels. mean IoU, IoU
and boundary F1 are those of `chronoseg evaluate`: every pixel from its first clear look on, all dates. With --isbi, a
folder with checkpoints named isbi-NAME (`chronoseg train isbi-unet --out FOLDER/unet` makes FOLDER/unet/isbi-unet),
the six held-out images of ISBI 2012 are scored too.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.speed import flops_per_pixel
from geo.simulator.series import simulate
from geo.simulator.spec import Theme
from models.card import Card, read_card
from models.engine import Engine
from models.engines.open import open_engine
from models.registry import find_model, list_models
from models.training.chips import TEST_SEEDS
from models.training.evaluate import held_out_spec
from models.training.scorecard import Scorecard
from models.training.themes import THEMES

SIDE_PX = 512
REPEATS = 3
NAN = float("nan")


@dataclass(frozen=True)
class Row:
    """A network: millions of parameters, GFLOP per megapixel, seconds per date, scores; NaN where there are none.

    Attributes:
        learned_mpx: megapixels of all chips of all steps, dates counted one by one.
        iou: of the followed class.
        isbi_accuracy, isbi_iou: pixel accuracy and mean IoU on ISBI 2012.
    """

    card: Card
    parameters_m: float
    gflop: float
    seconds: float
    learned_mpx: float
    mean_iou: float
    iou: float
    boundary_f1: float
    isbi_accuracy: float = NAN
    isbi_iou: float = NAN


def fitting(like: Card, folders: list[Path]) -> Iterator[tuple[Card, Path]]:
    """Yield all installed networks with the same legend and bands."""
    for card, folder in list_models(folders):
        if card.classes == like.classes and card.bands == like.bands:
            yield card, folder


def theme_of(card: Card) -> Theme:
    """Return the simulator's theme whose legend a card has."""
    themes: tuple[Theme, ...] = ("burned-area", "tree-cover")
    return next(theme for theme in themes if THEMES[theme].classes == card.classes)


def measure(card: Card, folder: Path, series: int, isbi: Mapping[str, Scorecard]) -> Row:
    """Count, time and score one network."""
    from models.checkpoint import load_network
    from models.training.evaluate_series import score_series

    engine, theme = open_engine(folder, device="cpu", threads=1), theme_of(card)
    scores, _ = score_series(engine, theme, split="test", series=series)
    neurons = isbi.get(f"isbi-{card.name}")
    flops = instance_flops(folder, card) if card.tiling == "instances" else flops_per_pixel(folder, card)
    return Row(
        card=card,
        parameters_m=sum(weight.numel() for weight in load_network(folder, card).parameters()) / 1e6,
        gflop=flops * 1e6 / 1e9,
        seconds=seconds_per_date(engine),
        learned_mpx=learned_mpx(card),
        mean_iou=scores.confusion.mean_iou(),
        iou=scores.confusion.iou(THEMES[theme].followed),
        boundary_f1=scores.boundary.mean_f1(),
        isbi_accuracy=neurons.confusion.accuracy() if neurons else NAN,
        isbi_iou=neurons.confusion.mean_iou() if neurons else NAN,
    )


def learned_mpx(card: Card) -> float:
    """Return how many megapixels a checkpoint learned from, its first weights too; NaN where its card does not say."""
    return _learned_mpx(card.training)


def _learned_mpx(training: Mapping[str, Any]) -> float:
    config = training.get("config", {})
    fit, data = config.get("fit", {}), config.get("data", {})
    chips = data.get("batch", data.get("dates_per_step"))
    if chips is None or "steps" not in fit:
        return NAN
    before = _learned_mpx(training["start"].get("training", {})) if "start" in training else 0.0
    return before + float(fit["steps"] * chips * data["chip_px"] ** 2 / 1e6)


@cache
def look(theme: Theme, side_px: int) -> NDArray[np.float32]:
    """Simulate one date of a held-out landscape without cloud, (C, H, W)."""
    spec = dataclasses.replace(held_out_spec(theme, side_px), cloud_fraction=0.0, dates=5)
    last: NDArray[np.float32] = simulate(spec, TEST_SEEDS[0]).reflectance[-1]
    return last


def instance_flops(folder: Path, card: Card) -> float:
    """Count the operations of a detector per pixel of one tile; they depend on what it finds."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from models.checkpoint import load_network
    from models.mask_rcnn.network import MaskRCNN

    net, tile = load_network(folder, card), card.tile_px
    if not isinstance(net, MaskRCNN) or tile is None:
        raise TypeError(f"expected a network that finds instances; got {type(net).__name__}")
    x = torch.from_numpy(look(theme_of(card), tile)[None])
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        net.detect(x)
    return float(counter.get_total_flops()) / tile**2


def seconds_per_date(engine: Engine) -> float:
    """Time one date of a window, the state being there; the median of a few."""
    x = look(theme_of(engine.card), SIDE_PX)
    clear, state, took = np.ones((SIDE_PX, SIDE_PX), bool), engine.start(SIDE_PX, SIDE_PX), []
    for date in range(REPEATS + 1):
        start = perf_counter()
        state, _ = engine.step(state, x, clear, 18_000 + date)
        took.append(perf_counter() - start)
    return median(took[1:])


def score_isbi(checkpoints: Path, data: Path) -> dict[str, Scorecard]:
    """Score every checkpoint isbi-NAME under a folder on the images that its configuration holds out."""
    from models.training.config import read_config, shipped_config
    from models.training.data_config import FolderConfig
    from models.training.datasets.open import open_source
    from models.training.evaluate_pictures import evaluate_pictures
    from models.training.themes import about

    config, found = read_config(shipped_config("isbi-unet")), dict[str, Scorecard]()
    if not isinstance(config.data, FolderConfig):
        raise TypeError(f"expected a folder of images; got {config.data}")
    here = dataclasses.replace(config, data=dataclasses.replace(config.data, folder=str(data)))
    held_out = open_source(here, about(None, config.legend)).pictures("held-out")
    for path in sorted(checkpoints.glob("**/isbi-*/card.json")):
        engine = open_engine(path.parent, device="cpu", threads=1)
        found[read_card(path.parent).name] = evaluate_pictures(engine, held_out).scores
    return found


def line(row: Row, unit_s: float) -> str:
    """Write a row of the table."""
    card = row.card
    tiling = f"exact, {card.radius_px} px" if card.tiling == "exact" else f"{card.tiling}, {card.tile_px} px"
    cells = (
        f"{card.id} ({card.family})", f"{row.parameters_m:.2f}", f"{row.gflop:.0f}", f"{row.seconds / unit_s:.2f}",
        tiling, *(_told(value, digits) for value, digits in (
            (row.learned_mpx, 0), (row.mean_iou, 3), (row.iou, 3), (row.boundary_f1, 3), (row.isbi_accuracy, 3),
            (row.isbi_iou, 3),
        )),
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _told(value: float, digits: int) -> str:
    return "-" if np.isnan(value) else f"{value:.{digits}f}"


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--like", default="unet", help="network whose legend counts, and whose time is 1")
    parser.add_argument("--series", type=int, default=16, help="held-out landscapes")
    parser.add_argument("--models", type=Path, action="append", default=[], help="a folder of further checkpoints")
    parser.add_argument("--isbi", type=Path, help="a folder with checkpoints isbi-NAME")
    parser.add_argument("--isbi-data", type=Path, default=Path("../shared/data/isbi"), help="the images of ISBI 2012")
    wanted = parser.parse_args()
    like, _ = find_model(wanted.like, wanted.models)
    isbi = score_isbi(wanted.isbi, wanted.isbi_data) if wanted.isbi else {}
    rows = [measure(card, folder, wanted.series, isbi) for card, folder in fitting(like, wanted.models)]
    unit = next(row.seconds for row in rows if row.card.id == like.id)
    followed = like.classes[THEMES[theme_of(like)].followed].name
    heads = (
        "network (family)", "M parameters", "GFLOP per Mpx", f"time / {like.name}", "tiling", "Mpx learned from",
        "mean IoU", f"IoU {followed}", "boundary F1", "ISBI accuracy", "ISBI mean IoU",
    )  # fmt: skip
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for row in sorted(rows, key=lambda row: -row.mean_iou):
        print(line(row, unit))


if __name__ == "__main__":
    main()
