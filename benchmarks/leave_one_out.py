"""Seven real fires, each segmented by what the other six have taught, and by what none of them has.

    python -m benchmarks.leave_one_out [--steps 100] [--rate 5e-4] [--keep 0.5] [--runs DIR] [--pictures DIR]

IoU of the burned area with the agencies' perimeters; blue, green, red and NIR. Columns, of which only the first two are
of a network as it is shipped, that has seen no real pixel:

    shipped     burned-area as it is
    tta         with test-time augmentation
    threshold   the same probabilities, cut where it is best for the other six
    fine-tuned  weights half way between the shipped ones and those that learned from the other six, with test-time
                augmentation, cut where it is best for the other six

Each fold takes the same steps at the same rate, and is scored once, at its end: nothing is chosen on a fire that is
scored, but for --steps, --rate and --keep, which are the same for all and stand above.

Data: $CHRONOSEG_DATA/wildfire_pairs, else ../shared/data/wildfire_pairs.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.real_fires import Fire, Floats, Mask, draw, fires, iou, segment, walk
from models.card import read_card
from models.engine import Engine
from models.engines.open import open_engine
from models.registry import find_model
from models.training.config import NetworkConfig, TrainConfig, read_config, shipped_config
from models.training.fit_config import FitConfig
from models.training.loop import train
from models.training.series_config import WildfirePairsConfig

COLUMNS = ("shipped", "tta", "threshold", "fine-tuned")
CANDIDATES = np.linspace(0.05, 0.7, 14)


def fold(folder: Path, held_out: str, start: Path, *, steps: int, rate: float, keep: float) -> TrainConfig:
    """Return the fine-tuning that never sees one of the fires."""
    shipped = read_config(shipped_config("burned-area"))
    network = NetworkConfig(**read_card(start).training["config"]["network"])
    data = WildfirePairsConfig(folder=str(folder), held_out=(held_out,), chip_px=96, batch=8)
    fit = FitConfig(
        steps=steps, peak_rate=rate, average_decay=0.97, missed_weight=shipped.fit.missed_weight, save_every=steps,
        validate_every=steps + 1, start=str(start), keep=keep,
    )  # fmt: skip
    return dataclasses.replace(shipped, name="fine-tuned", network=network, data=data, fit=fit)


def best_cut(others: Sequence[Fire], probs: Sequence[Floats]) -> float:
    """Return the threshold with the best mean IoU over fires, all of them known."""
    means = [np.mean([iou(fire, p > cut) for fire, p in zip(others, probs, strict=True)]) for cut in CANDIDATES]
    return float(CANDIDATES[int(np.argmax(means))])


def after(engine: Engine, known: Sequence[Fire]) -> dict[str, Floats]:
    """Return the probability of burned after each fire, (H, W), by the fire's name."""
    return {fire.name: [*walk(engine, fire)][-1][1] for fire in known}


def cut_by_the_others(probs: Mapping[str, Floats], fire: Fire, known: Sequence[Fire]) -> tuple[Mask, float]:
    """Return what burned, by the threshold that is best for the other fires; and that threshold."""
    others = [one for one in known if one.name != fire.name]
    cut = best_cut(others, [probs[one.name] for one in others])
    return probs[fire.name] > cut, cut


def main() -> None:
    """Fine-tune, score, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--keep", type=float, default=0.5, help="share of the shipped weights that is kept")
    parser.add_argument(
        "--runs", type=Path, help="keep the folds' checkpoints here; folds that are there are not trained"
    )
    parser.add_argument("--pictures", type=Path, help="write a PNG for each fire here")
    wanted = parser.parse_args()
    folder = Path(os.environ.get("CHRONOSEG_DATA", "../shared/data")) / "wildfire_pairs"
    if not folder.is_dir():
        raise SystemExit(f"no fires in {folder}; set CHRONOSEG_DATA to the folder that holds wildfire_pairs")
    _, start = find_model("burned-area")
    known, rows = list(fires(folder)), []
    shipped, mirrored = open_engine(start, device="cpu"), open_engine(start, device="cpu", tta=True)
    said = after(mirrored, known)
    print(f"{'fire':24}" + "".join(f"{name:>12}" for name in COLUMNS) + f"{'cut at':>12}")
    with tempfile.TemporaryDirectory() as scratch:
        for fire in known:
            plan = fold(folder, fire.name, start, steps=wanted.steps, rate=wanted.rate, keep=wanted.keep)
            tuned = train(plan, (wanted.runs or Path(scratch)) / fire.name)
            burned, cut = cut_by_the_others(after(open_engine(tuned, device="cpu", tta=True), known), fire, known)
            untrained, _ = cut_by_the_others(said, fire, known)
            masks = (segment(shipped, fire), segment(mirrored, fire), untrained, burned)
            rows.append([iou(fire, mask) for mask in masks])
            print(f"{fire.name:24}" + "".join(f"{value:12.3f}" for value in rows[-1]) + f"{cut:12.2f}", flush=True)
            if wanted.pictures:
                wanted.pictures.mkdir(parents=True, exist_ok=True)
                draw(fire, burned, wanted.pictures / f"{fire.name}.png")
    print(f"{'mean':24}" + "".join(f"{value:12.3f}" for value in np.mean(rows, axis=0)))


if __name__ == "__main__":
    main()
