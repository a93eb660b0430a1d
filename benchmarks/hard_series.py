"""Where a network's loss lies: in how few of the series that training draws, and whether an index can tell which.

Validation landscapes, drawn as the network's training draws them. Prints the share of the loss that lies in the hardest
tenth, quarter, third and half of the series, as the loss orders them and as the misleading looks of
`models.training.hard_series` do; then what training on the hardest of two or three would see in place of one.

    python -m benchmarks.hard_series [MODEL] [--series 120] [--dates 8]
"""

from __future__ import annotations

import argparse
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter

from geo.simulator.spec import Theme
from models.card import MASK_NODATA
from models.checkpoint import load_network
from models.recurrent_unet import RecurrentUNet
from models.registry import locate_model
from models.training.chips import VALIDATION_SEEDS, Chip, draw_chip
from models.training.config import DataConfig
from models.training.hard_series import misleading_looks

SHARES = {"tenth": 1 / 10, "quarter": 1 / 4, "third": 1 / 3, "half": 1 / 2}
Floats = NDArray[np.float64]


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="burned-area", help="a recurrent one that learned from simulations")
    parser.add_argument("--series", type=int, default=120)
    parser.add_argument("--dates", type=int, default=8)
    wanted = parser.parse_args()
    card, folder = locate_model(wanted.model)
    net, config = load_network(folder, card), card.training["config"]
    if not isinstance(net, RecurrentUNet) or config.get("theme") is None:
        parser.error(f"{card.id}: expected a recurrent network of a shipped theme")
    theme, data = cast(Theme, config["theme"]), TypeAdapter(DataConfig).validate_python(config["data"])
    rng, found = np.random.default_rng(0), []
    for seed in VALIDATION_SEEDS[: wanted.series]:
        chip = draw_chip(theme, data, wanted.dates, seed, rng)
        found.append((loss_of(net, chip), misleading_looks(theme, chip), followed_share(chip)))
    loss, looks, share = np.array(found, np.float64).T
    report(loss, looks, share)


@torch.no_grad()
def loss_of(net: RecurrentUNet, chip: Chip) -> float:
    """Return the cross-entropy of a series, summed over its clear looks."""
    logprobs = net(*(torch.from_numpy(part)[None] for part in (chip.reflectance, chip.clear, chip.days)))[0]
    target = torch.from_numpy(chip.target)
    valid = torch.from_numpy(chip.clear) & (target != MASK_NODATA)
    entropy = -logprobs.gather(1, torch.where(valid, target, 0)[:, None])[:, 0]
    return float(entropy[valid].sum())


def followed_share(chip: Chip) -> float:
    """Return the share of the clear looks at which the ground is of class 1."""
    return float((chip.target == 1)[chip.clear].mean()) if chip.clear.any() else 0.0


def report(loss: Floats, looks: Floats, share: Floats) -> None:
    """Print how the loss lies in the series."""
    print("share of the loss in the hardest " + ", ".join(SHARES))
    for title, order in (("by loss", loss), ("by misleading looks", looks)):
        hardest = loss[np.argsort(-order, kind="stable")].cumsum() / loss.sum()
        print(f"  {title}: " + ", ".join(f"{hardest[round(part * len(loss)) - 1]:.2f}" for part in SHARES.values()))
    rng = np.random.default_rng(0)
    for among in (1, 2, 3):
        drawn = rng.integers(0, len(loss), (20_000, among))
        chosen = drawn[np.arange(len(drawn)), looks[drawn].argmax(1)]
        print(
            f"hardest of {among}: {loss[chosen].mean() / loss.mean():.2f} times the loss of a series; "
            f"class 1 at {share[chosen].mean():.3f} of the looks"
        )


if __name__ == "__main__":
    main()
