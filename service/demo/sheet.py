"""The contact sheet: per date the image, the truth and the mask, side by side over time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.demo.scores import NODATA

_SIDE_PX = 360
_OUTSIDE = "#ffffff"


@dataclass(frozen=True)
class Panel:
    """One date of the sheet. `caption` stands below the mask."""

    title: str
    images: tuple[Path, ...]
    truth: Path
    mask: Path
    caption: str


def draw_sheet(path: Path, title: str, legend: dict[int, tuple[str, str]], panels: list[Panel]) -> None:
    """Draw the sheet as PNG.

    Args:
        path: to write.
        title: of the whole.
        legend: class id -> (name, colour).
        panels: one per date, in order.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    count = len(panels)
    figure = Figure(figsize=(1.3 + 2.0 * count, 7.6), dpi=110, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(3, count, squeeze=False)
    read = [_read_panel(panel) for panel in panels]
    low, high = _brightness([image for image, _, _ in read])
    for column, (panel, (image, truth, mask)) in enumerate(zip(panels, read, strict=True)):
        axes[0, column].imshow(_stretched(image, low, high))
        axes[0, column].set_title(panel.title, fontsize=11)
        axes[1, column].imshow(_coloured(truth, legend))
        axes[2, column].imshow(_coloured(mask, legend))
        axes[2, column].set_xlabel(panel.caption, fontsize=10)
    for row, name in enumerate(("image\n(nir, red, green)", "truth", "mask")):
        axes[row, 0].set_ylabel(name, fontsize=11)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
    figure.suptitle(title, fontsize=14, y=0.985)
    keys = [Patch(facecolor=colour, edgecolor="#888888", label=name) for name, colour in legend.values()]
    keys.append(Patch(facecolor=_OUTSIDE, edgecolor="#888888", label="outside the area, or never seen"))
    figure.legend(handles=keys, loc="lower center", ncols=len(keys), fontsize=11, frameon=False)
    figure.subplots_adjust(left=0.9 / (1.3 + 2.0 * count), right=0.995, top=0.9, bottom=0.1, wspace=0.04, hspace=0.04)
    figure.savefig(path)


def _read_panel(panel: Panel) -> tuple[NDArray[np.uint16], NDArray[np.uint8], NDArray[np.uint8]]:
    """Read image (3, H, W), truth and mask (H, W), thinned out to the sheet's size, on the mask's extent."""
    import rasterio
    from rasterio.enums import Resampling
    from rasterio.merge import merge

    with rasterio.open(panel.mask) as dataset:
        bounds = dataset.bounds
        step = max(dataset.width, dataset.height) / _SIDE_PX
        res = dataset.res[0] * max(step, 1.0)
    place = {"bounds": tuple(bounds), "res": res}
    image, _ = merge(list(panel.images), indexes=[4, 3, 2], resampling=Resampling.average, nodata=0, **place)
    truth, _ = merge([panel.truth], resampling=Resampling.nearest, nodata=NODATA, **place)
    mask, _ = merge([panel.mask], resampling=Resampling.nearest, nodata=NODATA, **place)
    return image, truth[0], mask[0]


def _brightness(images: list[NDArray[np.uint16]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return black and white point per band, (3, 1, 1), the same for all dates so that they compare.

    They come from each pixel's median over the dates, in which clouds hardly show.
    """
    stack = np.stack(images).astype(np.float64)
    stack[stack == 0] = np.inf  # no data sorts last, and is left out where it is the median
    middle = np.median(stack, axis=0).reshape(3, -1)
    seen = middle[:, np.isfinite(middle).all(axis=0)]
    low, high = np.percentile(seen if seen.size else np.array([[0.0, 1.0]] * 3), (1, 99), axis=1)[..., None, None]
    return low * 0.7, np.maximum(high * 1.15, low + 1)


def _stretched(image: NDArray[np.uint16], low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Turn nir, red, green (3, H, W) into colours (H, W, 3)."""
    bright = np.clip((image - low) / (high - low), 0, 1) ** 0.8
    return np.moveaxis((bright * 255).astype(np.uint8), 0, -1)


def _coloured(classes: NDArray[np.uint8], legend: dict[int, tuple[str, str]]) -> NDArray[np.uint8]:
    table = np.full((256, 3), 255, np.uint8)
    for number, (_, colour) in legend.items():
        table[number] = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    found: NDArray[np.uint8] = table[classes]
    return found
