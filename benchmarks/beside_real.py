"""Simulated fires beside real ones, for the eye: near infrared, red and green before and after, and what burned.

    python -m benchmarks.beside_real PICTURE

Left, four of the seven real fires (Sentinel-2, about 20 m, perimeters by agencies); right, the first four simulated
landscapes of as many pixels whose fire is of a like share: Sentinel-2's bands, 20 m, two dates, a thin cloud allowed.

Data: $CHRONOSEG_DATA/wildfire_pairs, else ../shared/data/wildfire_pairs.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.real_fires import fires
from geo.simulator.series import simulate
from geo.simulator.spec import SeriesSpec

SHOWN = ("1-12", "10TH", "68", "CLEAR")
SIDE_PX = 192
SHARES = (0.05, 0.5)

Pair = tuple[str, NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]
"""Title; blue, green, red and NIR before and after; what burned."""


def real_pairs(folder: Path) -> Iterator[Pair]:
    """Yield the real fires that are shown."""
    for fire in fires(folder):
        if fire.name.startswith(SHOWN):
            yield fire.name, fire.before[:4], fire.after[:4], fire.truth


def simulated_pairs() -> Iterator[Pair]:
    """Yield simulated fires, seed by seed, of which neither little nor nearly all has burned."""
    spec = SeriesSpec(
        "burned-area", SIDE_PX, SIDE_PX, 20.0, dates=2, gap_days=(15, 40), fire_chance=1.0, cloud_fraction=0.02,
        sensor="sentinel-2",
    )  # fmt: skip
    for seed in count():
        series = simulate(spec, seed)
        if SHARES[0] < series.burned[1].mean() < SHARES[1]:
            yield f"{series.biome} (seed {seed})", series.reflectance[0], series.reflectance[1], series.burned[1]


def draw(pairs: list[Pair], path: Path) -> None:
    """Write one row per pair."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    half = len(pairs) // 2
    figure, axes = pyplot.subplots(half, 6, figsize=(15, 2.7 * half))
    for number, (title, before, after, burned) in enumerate(pairs):
        row, col = number % half, 3 * (number // half)
        for axis, image in zip(axes[row, col : col + 2], (before, after), strict=True):
            bands = image[[3, 2, 1]] / np.array([0.45, 0.25, 0.25], np.float32)[:, None, None]
            axis.imshow(np.clip(np.nan_to_num(bands), 0, 1).transpose(1, 2, 0))
        axes[row, col].set_title(title, fontsize=9)
        axes[row, col + 2].imshow(burned, cmap="inferno", vmin=0, vmax=1)
    for axis in axes.flat:
        axis.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=60)
    pyplot.close(figure)


def main() -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    wanted = parser.parse_args()
    folder = Path(os.environ.get("CHRONOSEG_DATA", "../shared/data")) / "wildfire_pairs"
    if not folder.is_dir():
        raise SystemExit(f"no fires in {folder}; set CHRONOSEG_DATA to the folder that holds wildfire_pairs")
    draw([*real_pairs(folder), *islice(simulated_pairs(), len(SHOWN))], wanted.picture)


if __name__ == "__main__":
    main()
