"""Trees on real pixels that no training has seen: a Landsat series without labels, and labelled PlanetScope pixels.

    python -m benchmarks.real_trees [--sheet PNG] [--model FOLDER]

Ucayali (Peru), eight Landsat composites from 1985 to 2020, forest frontier. The files hold SWIR, NIR, red and green as
bytes without a scale and without blue: reflectance is taken as 0.0019 x value, which gives forest a NIR of a third, and
blue as 0.65 x green, as over forest and soil. There is no truth: the sheet is for the eye, and so are the hectares.

DRC: 17,757 pixels of forest and as many of other land of one PlanetScope scene (radiance, made TOA reflectance by the
coefficients of a real scene's metadata), each shown to the network alone, with nothing around it.

Data: $CHRONOSEG_DATA, else ../shared/data.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

from models.card import MASK_NODATA
from models.engine import Engine
from models.engines.open import open_engine
from models.registry import find_model
from models.settling import settle
from models.training.evaluate import walked

NIR, RED, GREEN = 1, 2, 3
"""Bands of the Landsat files; the first is short-wave infrared."""

SCALE, BLUE_OF_GREEN = 0.0019, 0.65
TOA = (2.2272053e-5, 2.3286941e-5, 2.6177703e-5, 3.8835539e-5)
"""Reflectance coefficients of the bands, from train_scene_cropped_metadata.xml (the last: of the test scene)."""

PIXEL_HA = 0.81
"""About 90 m a side."""

FOREST = 0
"""Label of forest in the DRC pixels."""

EPOCH = date(1970, 1, 1)


def landsat(folder: Path) -> tuple[list[int], NDArray[np.float32]]:
    """Return years and reflectance (T, 4, H, W): blue, green, red, NIR."""
    years, images = [], []
    for path in sorted(folder.glob("*.tif")):
        with rasterio.open(path) as source:
            values = source.read().astype(np.float32) * np.float32(SCALE)
        years.append(int(path.stem))
        images.append(np.stack([BLUE_OF_GREEN * values[GREEN], values[GREEN], values[RED], values[NIR]]))
    return years, np.stack(images).astype(np.float32)


def follow(engine: Engine, years: Sequence[int], images: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the masks, (T, H, W), of composites that are dated to the middle of their year."""
    clear: NDArray[np.bool_] = np.all(images > 0, axis=1)
    days = [float((date(year, 7, 15) - EPOCH).days) for year in years]
    looks = zip(images, clear, days, strict=True)
    shape = (images.shape[2], images.shape[3])
    return np.stack([*settle(walked(engine, shape, looks), lasting=engine.card.change.lasting)])


def forest_share_right(engine: Engine, path: Path) -> tuple[float, float]:
    """Return the shares of forest pixels that are trees, and of others that are not, each pixel alone."""
    with np.load(path) as held:
        reflectance, forest = held["X"][:, :4] * np.array(TOA), held["y"] == FOREST
    side = engine.card.stride_px
    trees = np.empty(len(forest), bool)
    for number, pixel in enumerate(reflectance.astype(np.float32)):
        x = np.broadcast_to(pixel[:, None, None], (4, side, side))
        _, probs = engine.step(engine.start(side, side), x, np.ones((side, side), bool), 16_678)
        trees[number] = probs[1, side // 2, side // 2] > probs[0, side // 2, side // 2]
    return float(trees[forest].mean()), float((~trees[~forest]).mean())


def draw(years: Sequence[int], images: NDArray[np.float32], masks: NDArray[np.uint8], path: Path) -> None:
    """Write the sheet of eight dates: image and mask of each; below them when trees went."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure = pyplot.figure(figsize=(16, 15))
    grid = figure.add_gridspec(6, 4)
    for column, year in enumerate(years):
        row, col = 2 * (column // 4), column % 4
        image, mask = images[column], masks[column]
        picture = np.clip(image[[3, 2, 1]] / np.array([0.5, 0.2, 0.2])[:, None, None], 0, 1).transpose(1, 2, 0)
        above, below = figure.add_subplot(grid[row, col]), figure.add_subplot(grid[row + 1, col])
        above.imshow(picture)
        above.set_title(f"{year} (NIR, red, green)")
        below.imshow(mask == 1, cmap="Greens", vmin=0, vmax=1)
        below.set_title(f"trees {np.mean(mask[mask != MASK_NODATA] == 1):.0%}")
    lost = np.full(masks.shape[1:], np.nan)
    for before, after, year in zip(masks, masks[1:], years[1:], strict=False):
        lost[(before == 1) & (after == 0)] = year
    whole = figure.add_subplot(grid[4:, :])
    shown = whole.imshow(lost, cmap="turbo", vmin=years[0], vmax=years[-1])
    whole.set_title("trees last gone by")
    figure.colorbar(shown, ax=whole)
    for axis in figure.axes[:-1]:
        axis.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=60)
    pyplot.close(figure)


def main() -> None:
    """Print the tables; write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sheet", type=Path, help="write the contact sheet of Ucayali here")
    parser.add_argument("--model", type=Path, help="checkpoint folder; default: the shipped tree-cover")
    wanted = parser.parse_args()
    data = Path(os.environ.get("CHRONOSEG_DATA", "../shared/data"))
    if not (data / "ucayali_landsat_8dates").is_dir():
        raise SystemExit(f"no series in {data}; set CHRONOSEG_DATA to the folder of ucayali_landsat_8dates")
    engine = open_engine(wanted.model or find_model("tree-cover")[1], device="cpu")
    years, images = landsat(data / "ucayali_landsat_8dates")
    masks = follow(engine, years, images)
    for year, mask in zip(years, masks, strict=True):
        trees = mask[mask != MASK_NODATA] == 1
        print(f"{year}  trees {trees.mean():6.1%}  {trees.sum() * PIXEL_HA:10.0f} ha")
    if wanted.sheet:
        draw(years, images, masks, wanted.sheet)
    forest, other = forest_share_right(engine, data / "planetscope" / "drc_forest_pixels.npz")
    print(f"DRC pixels: forest right {forest:.3f}, other land right {other:.3f}, balanced {(forest + other) / 2:.3f}")


if __name__ == "__main__":
    main()
