"""One table of all installed networks of one legend: size, cost, tiling, and IoU on the same held-out landscapes.

    python -m benchmarks.networks [--like unet] [--series 8] [--models FOLDER]

The time is that of one date of 512 x 512 pixels in the engine that a job would use, over that of the network `--like`.
FLOPs are multiplications and additions of the bare network; a network that blends computes every pixel four times.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from benchmarks.speed import flops_per_pixel
from models.card import Card
from models.engine import Engine
from models.engines.open import open_engine
from models.registry import find_model, list_models

SIDE_PX = 512
REPEATS = 3


@dataclass(frozen=True)
class Row:
    """A network: millions of parameters, GFLOP per megapixel (NaN: not counted), seconds per date, IoU."""

    card: Card
    parameters_m: float
    gflop: float
    seconds: float
    iou: float
    clear_iou: float


def fitting(like: Card, folders: list[Path]) -> Iterator[tuple[Card, Path]]:
    """Yield all installed networks with the same legend and bands."""
    for card, folder in list_models(folders):
        if card.classes == like.classes and card.bands == like.bands:
            yield card, folder


def measure(card: Card, folder: Path, series: int) -> Row:
    """Count, time and score one network."""
    from models.checkpoint import load_network
    from models.training.evaluate import evaluate

    engine = open_engine(folder, device="cpu", threads=1)
    scores = evaluate(engine, "burned-area", split="test", series=series)
    return Row(
        card=card,
        parameters_m=sum(weight.numel() for weight in load_network(folder, card).parameters()) / 1e6,
        gflop=float("nan") if card.tiling == "instances" else flops_per_pixel(folder, card) * 1e6 / 1e9,
        seconds=seconds_per_date(engine),
        iou=scores["iou"],
        clear_iou=scores["clear_iou"],
    )


def seconds_per_date(engine: Engine) -> float:
    """Time one date of a window, the state being there; the median of a few."""
    rng = np.random.default_rng(0)
    x = rng.random((len(engine.card.bands), SIDE_PX, SIDE_PX), np.float32) * np.float32(0.4)
    clear, state, took = np.ones((SIDE_PX, SIDE_PX), bool), engine.start(SIDE_PX, SIDE_PX), []
    for date in range(REPEATS + 1):
        start = perf_counter()
        state, _ = engine.step(state, x, clear, 18_000 + date)
        took.append(perf_counter() - start)
    return median(took[1:])


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--like", default="unet", help="network whose legend counts, and whose time is 1")
    parser.add_argument("--series", type=int, default=8, help="held-out landscapes")
    parser.add_argument("--models", type=Path, action="append", default=[], help="a folder of further checkpoints")
    wanted = parser.parse_args()
    like, _ = find_model(wanted.like, wanted.models)
    rows = [measure(card, folder, wanted.series) for card, folder in fitting(like, wanted.models)]
    unit = next(row.seconds for row in rows if row.card.id == like.id)
    print(f"| network | family | M parameters | GFLOP per Mpx | time / {like.name} | tiling | IoU | IoU where clear |")
    print("|---|---|---|---|---|---|---|---|")
    for row in sorted(rows, key=lambda row: -row.iou):
        card = row.card
        tiling = f"exact, {card.radius_px} px" if card.tiling == "exact" else f"{card.tiling}, {card.tile_px} px"
        print(
            f"| {card.id} | {card.family} | {row.parameters_m:.2f} | {row.gflop:.0f} | {row.seconds / unit:.2f} | "
            f"{tiling} | {row.iou:.3f} | {row.clear_iou:.3f} |"
        )


if __name__ == "__main__":
    main()
