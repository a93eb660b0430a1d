"""Whether seams show: networks that cannot tile exactly, block by block as in a job, beside the whole image at once.

Two questions per installed network, on held-out landscapes without cloud:

- How far is it from the bare network, shown the whole image? The share of pixels whose class differs, and the mean
  absolute difference of probabilities. It is not an error: the network learned on chips, and what looks at its whole
  input gives other answers for other inputs.
- Do seams show? The mean step of the probabilities across the edges of blocks, and of tiles, over the mean step
  elsewhere. Without seams this is about 1, as it is for the whole image at the same places, which has none; tiles laid
  side by side, which is what blending and merging are for, show what it would be with them.

    python -m benchmarks.seams [--landscapes 4] [--size 768] [--block-px 256] [--models FOLDER]
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geo.simulator.series import simulate, truth
from geo.simulator.spec import Theme
from models.card import Card
from models.engine import Engine
from models.engines.blend import BlendEngine
from models.engines.instances import InstancesEngine
from models.engines.onnx import OnnxEngine
from models.engines.open import open_engine
from models.registry import list_models
from models.training.chips import TEST_SEEDS, Chip
from models.training.datasets.simulated import one_date
from models.training.datasets.source import Picture, picture_of
from models.training.evaluate import held_out_spec
from models.training.evaluate_pictures import blocks
from models.training.themes import THEMES

Probs = NDArray[np.float32]

FLAT = 1e-9
"""Mean step below which a map is flat: a ratio of nothing to nothing says nothing."""


@dataclass(frozen=True)
class Seams:
    """What `measure` found.

    Attributes:
        differs: share of pixels whose class differs from the whole image's.
        difference: mean absolute difference of their probabilities.
        at_blocks, at_tiles: step across edges over the step elsewhere, in blocks as in a job.
        whole_at_blocks, whole_at_tiles: the same places in the whole image.
        side_by_side: across the edges of tiles that are laid side by side.
    """

    differs: float
    difference: float
    at_blocks: float
    at_tiles: float
    whole_at_blocks: float
    whole_at_tiles: float
    side_by_side: float


def measure(folder: Path, card: Card, pictures: Sequence[Picture], block_px: int) -> Seams:
    """Run a network three ways over pictures of one size, a multiple of its tiles."""
    if card.tile_px is None:
        raise ValueError(f"{card.id} tiles exactly: it has no seams to look for")
    side = pictures[0].shape[0]
    block_px = max(block_px // card.stride_px, 1) * card.stride_px
    ways = (
        (open_engine(folder, device="cpu", threads=1), block_px),
        (with_tiles(folder, card, side), side),
        (with_tiles(folder, card, card.tile_px), side),
    )
    maps = [np.stack([_run(engine, picture, cut) for picture in pictures]) for engine, cut in ways]
    job, whole, apart = maps
    at_blocks = range(block_px, side, block_px)
    at_tiles = [at for at in range(card.stride_px, side, card.stride_px) if at not in at_blocks]
    return Seams(
        differs=float((job.argmax(1) != whole.argmax(1)).mean()),
        difference=float(np.abs(job - whole).mean()),
        at_blocks=step_ratio(job, at_blocks, [*at_blocks, *at_tiles]),
        at_tiles=step_ratio(job, at_tiles, [*at_blocks, *at_tiles]),
        whole_at_blocks=step_ratio(whole, at_blocks, [*at_blocks, *at_tiles]),
        whole_at_tiles=step_ratio(whole, at_tiles, [*at_blocks, *at_tiles]),
        side_by_side=step_ratio(apart, range(card.tile_px, side, card.tile_px), [*at_blocks, *at_tiles]),
    )


def with_tiles(folder: Path, card: Card, tile_px: int) -> Engine:
    """Open a network on tiles of another size that do not overlap."""
    other = card.model_copy(update={"tile_px": tile_px, "stride_px": tile_px, "radius_px": 0})
    if card.tiling == "instances":
        return InstancesEngine(folder, other, threads=1)
    return BlendEngine(OnnxEngine(folder, other, threads=1))


def step_ratio(probs: Probs, edges: Sequence[int], no_edges: Sequence[int]) -> float:
    """Return the mean absolute step across edges over that elsewhere, rows and columns together.

    Args:
        probs: (..., H, W), H = W.
        edges: rows and columns that begin behind an edge.
        no_edges: rows and columns that are not elsewhere.

    Returns:
        NaN without edges, or where the map is flat elsewhere.
    """
    if not len(edges):
        return float("nan")
    downwards, sideways = (np.abs(np.diff(probs, axis=axis)) for axis in (-2, -1))
    elsewhere = np.setdiff1d(np.arange(1, probs.shape[-1]), no_edges)

    def mean_at(places: Sequence[int] | NDArray[np.integer]) -> float:
        at = np.asarray(places) - 1
        return float((downwards[..., at, :].mean() + sideways[..., at].mean()) / 2)

    steps = mean_at(elsewhere)
    return mean_at(edges) / steps if steps > FLAT else float("nan")


def landscape(theme: Theme, seed: int, side_px: int) -> Picture:
    """Simulate a held-out landscape, at the last of its dates, without cloud."""
    made = simulate(dataclasses.replace(held_out_spec(theme, side_px), cloud_fraction=0.0, dates=5), seed)
    series = Chip(
        made.reflectance, np.ones_like(made.clear), made.days.astype(np.float32), truth(made).astype(np.int64)
    )
    return picture_of(f"landscape {seed}", one_date(series, 4))


def _run(engine: Engine, picture: Picture, block_px: int) -> Probs:
    """Put the probabilities of a picture together, block by block."""
    probs = np.empty((len(engine.card.classes), *picture.shape), np.float32)
    for block in blocks(engine, picture, block_px=block_px):
        _, height, width = block.probs.shape
        probs[:, block.row : block.row + height, block.col : block.col + width] = block.probs
    return probs


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--landscapes", type=int, default=4)
    parser.add_argument("--size", type=int, default=768, help="their edge; for tiles of 512, 1024 shows more of them")
    parser.add_argument("--block-px", type=int, default=256)
    parser.add_argument("--models", type=Path, action="append", default=[], help="a folder of further checkpoints")
    wanted = parser.parse_args()
    print("| network | tiling | other class | difference | at blocks (whole) | at tiles (whole) | side by side |")
    print("|---|---|---|---|---|---|---|")
    for card, folder in list_models(wanted.models):
        fitting = [name for name, theme in THEMES.items() if theme.classes == card.classes]
        if card.tile_px is None or not fitting:
            continue
        theme: Theme = "burned-area" if "burned-area" in fitting else "tree-cover"
        size = -(-wanted.size // card.tile_px) * card.tile_px
        seen = [landscape(theme, seed, size) for seed in TEST_SEEDS[: wanted.landscapes]]
        found = measure(folder, card, seen, wanted.block_px)
        print(
            f"| {card.id} | {card.tiling}, {card.tile_px} px | {100 * found.differs:.2f} % | {found.difference:.4f} | "
            f"{found.at_blocks:.2f} ({found.whole_at_blocks:.2f}) | {found.at_tiles:.2f} ({found.whole_at_tiles:.2f}) "
            f"| {found.side_by_side:.2f} |"
        )


if __name__ == "__main__":
    main()
