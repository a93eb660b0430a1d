"""Contact sheet of simulated series: `python -m geo.simulator.picture OUT.png`. Needs matplotlib."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geo.simulator.noise import Floats
from geo.simulator.series import Series, simulate
from geo.simulator.spec import SeriesSpec

_BURNED = SeriesSpec(
    "burned-area",
    192,
    192,
    dates=5,
    biome="mediterranean",
    start=date(2021, 7, 1),
    latitude_deg=38.0,
    cloud_fraction=0.15,
)
SHEET = (
    (_BURNED, 4),
    (replace(_BURNED, res_m=20.0, biome="steppe"), 23),
    (replace(_BURNED, theme="tree-cover", biome="rainforest"), 5),
)


def draw_sheet(path: Path) -> None:
    """Draw three series, per look: true colour, false colour (nir, red, green), truth with the imperfect mask."""
    from matplotlib.figure import Figure
    from PIL import Image

    columns = max(spec.dates for spec, _ in SHEET)
    figure = Figure(figsize=(1.7 * columns, 1.75 * 3 * len(SHEET)), dpi=70)
    axes = figure.subplots(3 * len(SHEET), columns, squeeze=False)
    for number, (spec, seed) in enumerate(SHEET):
        series = simulate(spec, seed)
        for look in range(spec.dates):
            look_images = _images(series, look)
            for row, image in enumerate(look_images):
                axes[3 * number + row, look].imshow(image, interpolation="antialiased")
            title = f"{series.biome}, {spec.res_m:g} m, day {series.days[look] - series.days[0]}"
            axes[3 * number, look].set_title(title, fontsize=6)
    for axis in axes.flat:
        axis.set_axis_off()
    figure.subplots_adjust(0, 0, 1, 0.985, 0.02, 0.13)
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    Image.open(buffer).convert("RGB").quantize(128).save(path, optimize=True)


def _images(series: Series, look: int) -> tuple[Floats, Floats, Floats]:
    band = {role: series.reflectance[look, number] for number, role in enumerate(series.spec.roles)}
    truth = np.zeros((*series.spec.shape, 3), np.float32)
    truth[series.trees[look]] = (0.1, 0.5, 0.2)
    truth[series.burned[look]] = (0.9, 0.35, 0.1)
    truth[~series.clear[look]] = 0.5 * truth[~series.clear[look]] + 0.5
    return (
        _stretch(band["red"], band["green"], band["blue"], top=0.22),
        _stretch(band["nir"], band["red"], band["green"], top=0.45),
        truth,
    )


def _stretch(*channels: NDArray[np.float32], top: float) -> Floats:
    image: Floats = np.clip(np.stack(channels, -1) / np.float32(top), 0, 1) ** np.float32(0.7)
    return image


if __name__ == "__main__":
    draw_sheet(Path(sys.argv[1]))
