"""Seven real fires (Sentinel-2, 20 m) from the image after the fire alone: static networks beside a threshold.

IoU of the burned area per post-fire image of wildfire_pairs, and its mean, of each checkpoint that is named, from the
bands blue, green, red and NIR only; beside it the one threshold on the burned area index (BAI; Chuvieco et al. 2002)
that is best over these images. That threshold is tuned on the very fires it is scored on; the networks are not: none of
these fires is in wildfire_post_only, nor in any simulated landscape.

    python -m benchmarks.single_date_fires FOLDER... [--pictures DIR]

Data: $CHRONOSEG_DATA/wildfire_pairs, else ../shared/data/wildfire_pairs.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from benchmarks.real_fires import NIR, POST_DAY, RED, Fire, Floats, Mask, best_threshold, draw, fires, iou
from geo.indices import burned_area_index
from models.card import Card, read_card
from models.engine import Engine
from models.engines.open import open_engine

READS = ("blue", "green", "red", "nir")


def bai(fire: Fire) -> Floats:
    """Burned area index of the image after the fire."""
    return burned_area_index(fire.after[RED], fire.after[NIR])


def segment(engine: Engine, fire: Fire) -> Mask:
    """Run a network over the image after the fire, whatever its tiling; True = burned."""
    card = engine.card
    height, width = fire.truth.shape
    halo, step = card.halo_px, card.stride_px
    sides = ((halo, halo + -height % step), (halo, halo + -width % step))
    clear = np.pad(fire.valid, sides)
    x = np.pad(fire.after[: len(READS)], ((0, 0), *sides))
    _, probs = engine.step(engine.start(*clear.shape), x, clear, POST_DAY)
    burned: Mask = probs[1, halo : halo + height, halo : halo + width] > 0.5  # never so where nothing is known
    return burned


def check(card: Card) -> None:
    """Refuse a network that does not tell burned from unburned by these bands."""
    if (
        card.bands != READS
        or [c.name for c in card.classes] != ["unburned", "burned"]
        or card.family == "recurrent_unet"
    ):
        raise SystemExit(
            f"{card.id}: expected a static network of {', '.join(READS)} with the classes unburned and burned; it "
            f"reads {', '.join(card.bands)}, knows {', '.join(c.name for c in card.classes)}, family {card.family}"
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, metavar="FOLDER", help="checkpoint of a static network")
    parser.add_argument("--pictures", type=Path, help="write a PNG for each fire and network here")
    arguments = parser.parse_args()
    folder = Path(os.environ.get("CHRONOSEG_DATA", "../shared/data")) / "wildfire_pairs"
    if not folder.is_dir():
        raise SystemExit(f"no fires in {folder}; set CHRONOSEG_DATA to the folder that holds wildfire_pairs")
    for one in arguments.models:
        check(read_card(one))
    engines = [open_engine(one) for one in arguments.models]
    known = list(fires(folder))
    threshold = best_threshold(bai, known)
    heads = [*(engine.card.id for engine in engines), f"BAI > {threshold:.3g}"]
    print(f"{'fire':24}" + "".join(f"{head:>22}" for head in heads))
    rows = []
    for fire in known:
        masks = [*(segment(engine, fire) for engine in engines), bai(fire) > threshold]
        rows.append([iou(fire, mask) for mask in masks])
        print(f"{fire.name:24}" + "".join(f"{value:22.3f}" for value in rows[-1]))
        if arguments.pictures:
            arguments.pictures.mkdir(parents=True, exist_ok=True)
            for engine, mask in zip(engines, masks, strict=False):
                draw(fire, mask, arguments.pictures / f"{fire.name}-{engine.card.name}.png")
    print(f"{'mean':24}" + "".join(f"{value:22.3f}" for value in np.mean(rows, axis=0)))
    print("The BAI threshold was chosen on these same images, the networks were not; 66 and 1-7 are noisily labelled.")


if __name__ == "__main__":
    main()
