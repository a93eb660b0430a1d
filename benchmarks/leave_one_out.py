"""Seven real fires, each segmented by a network that was fine-tuned on the other six.

    python -m benchmarks.leave_one_out [--steps 100] [--rate 5e-4] [--runs DIR] [--pictures DIR]

Each fold starts from the shipped burned-area, which saw simulated series only, takes the same steps at the same rate,
and is scored once, at its end, on the fire that it never saw: nothing is chosen on a fire that is scored. Blue, green,
red and NIR; IoU of the burned area with the agencies' perimeters, beside the shipped network's.

Data: $CHRONOSEG_DATA/wildfire_pairs, else ../shared/data/wildfire_pairs.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.real_fires import draw, fires, iou, segment
from models.engines.open import open_engine
from models.registry import find_model
from models.training.config import TrainConfig, read_config, shipped_config
from models.training.fit_config import FitConfig
from models.training.loop import train
from models.training.series_config import WildfirePairsConfig


def fold(folder: Path, held_out: str, start: Path, *, steps: int, rate: float) -> TrainConfig:
    """Return the fine-tuning that never sees one of the fires."""
    shipped = read_config(shipped_config("burned-area"))
    data = WildfirePairsConfig(folder=str(folder), held_out=(held_out,), chip_px=96, batch=8)
    fit = FitConfig(
        steps=steps, peak_rate=rate, average_decay=0.97, missed_weight=shipped.fit.missed_weight, save_every=steps,
        validate_every=steps + 1, start=str(start),
    )  # fmt: skip
    return dataclasses.replace(shipped, name="fine-tuned", data=data, fit=fit)


def main() -> None:
    """Fine-tune, score, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument(
        "--runs", type=Path, help="keep the folds' checkpoints here; folds that are there are not trained"
    )
    parser.add_argument("--pictures", type=Path, help="write a PNG for each fire here")
    wanted = parser.parse_args()
    folder = Path(os.environ.get("CHRONOSEG_DATA", "../shared/data")) / "wildfire_pairs"
    if not folder.is_dir():
        raise SystemExit(f"no fires in {folder}; set CHRONOSEG_DATA to the folder that holds wildfire_pairs")
    card, start = find_model("burned-area")
    shipped, rows = open_engine(start, device="cpu"), []
    print(f"{'fire':24}{card.id:>16}{'fine-tuned':>16}")
    with tempfile.TemporaryDirectory() as scratch:
        for fire in fires(folder):
            run = (wanted.runs or Path(scratch)) / fire.name
            tuned = train(fold(folder, fire.name, start, steps=wanted.steps, rate=wanted.rate), run)
            burned = segment(open_engine(tuned, device="cpu"), fire)
            rows.append((iou(fire, segment(shipped, fire)), iou(fire, burned)))
            print(f"{fire.name:24}" + "".join(f"{value:16.3f}" for value in rows[-1]), flush=True)
            if wanted.pictures:
                wanted.pictures.mkdir(parents=True, exist_ok=True)
                draw(fire, burned, wanted.pictures / f"{fire.name}.png")
    print(f"{'mean':24}" + "".join(f"{value:16.3f}" for value in np.mean(rows, axis=0)))


if __name__ == "__main__":
    main()
