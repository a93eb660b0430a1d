"""Fixed chips as .npz, so that any network can be trained and scored on the very same data."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from geo.simulator.series import simulate, truth
from geo.simulator.spec import Theme
from models.training.chips import TEST_SEEDS, TRAIN_SEEDS, VALIDATION_SEEDS, draw_spec
from models.training.config import DataConfig

DATES = 8
SHARD = 64
SPLITS = {"train": TRAIN_SEEDS, "val": VALIDATION_SEEDS, "test": TEST_SEEDS}
YEAR_DAYS = 365.2425


def export(
    out_dir: Path, theme: Theme, counts: dict[str, int], *, chip_px: int = 128, dates: int = DATES
) -> list[Path]:
    """Write chips drawn as for training, `SPLIT-NNN.npz` of up to 64 each.

    Keys, N chips of T dates, H = W = chip_px: x (N, T, 4, H, W) float32 reflectance (blue, green, red, NIR); clear
    (N, T, H, W) bool, an imperfect usable-data mask; truly_clear, the same without mistakes; days (N, T) float32 since
    1970-01-01; day_of_year (N, T) float32; y (N, T, H, W) uint8, 1 = burned, or trees; change_day (N, H, W) int32 days
    since 1970-01-01, 0 = no change; res_m (N,) float32; seed (N,).

    Args:
        out_dir: made if it is not there.
        theme: what they are about.
        counts: number of chips by split: train, val, test; landscapes of one split are in no other.
        chip_px: edge.
        dates: of every series.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    data, written = DataConfig(chip_px=chip_px, dates=(dates,), dates_per_step=dates), []
    for split, count in counts.items():
        for first in range(0, count, SHARD):
            seeds = SPLITS[split][first : min(first + SHARD, count)]
            path = out_dir / f"{split}-{first // SHARD:03d}.npz"
            np.savez_compressed(path, **_shard(theme, data, seeds, dates))  # type: ignore[arg-type] # numpy's
            written.append(path)
    return written


def _shard(
    theme: Theme, data: DataConfig, seeds: range, dates: int
) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
    made = [simulate(draw_spec(theme, data, dates, np.random.default_rng(seed)), seed) for seed in seeds]
    days = np.stack([one.days for one in made]).astype(np.float32)
    return {
        "x": np.stack([one.reflectance for one in made]),
        "clear": np.stack([one.clear for one in made]),
        "truly_clear": np.stack([one.truly_clear for one in made]),
        "days": days,
        "day_of_year": np.mod(days, np.float32(YEAR_DAYS)),
        "y": np.stack([truth(one) for one in made]),
        "change_day": np.stack([one.burn_day if theme == "burned-area" else one.loss_day for one in made]),
        "res_m": np.array([one.spec.res_m for one in made], np.float32),
        "seed": np.array(seeds),
    }
