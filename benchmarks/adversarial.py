"""What adversarial training gives: two networks of one configuration, one with a discriminator and one without.

Both are scored on the same held-out landscapes, as `chronoseg evaluate` does. Networks whose cards differ in anything
but the discriminator are refused: budget, data, seed and network must be the same.

    python -m benchmarks.adversarial [--without unet] [--with unet-adversarial] [--series 16] [--models FOLDER]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from benchmarks.networks import theme_of
from models.card import Card
from models.engines.open import open_engine
from models.registry import find_model
from models.training.evaluate_series import score_series

COLUMNS = {
    "mean_iou": "mean IoU", "iou burned": "IoU burned", "boundary_f1": "boundary F1", "accuracy": "pixel accuracy",
    "calibration_error": "calibration error", "change_bc": "change IoU",
}  # fmt: skip
OWN = ("name", "version", "adversarial")


def differences(one: Card, other: Card) -> list[str]:
    """Return the keys in which two trainings differ, but for their names and the discriminator."""
    flat = [_flat(card.training.get("config", {})) for card in (one, other)]
    keys = [key for key in flat[0].keys() | flat[1].keys() if key.split(".")[0] not in OWN]
    missing = object()
    found = [key for key in keys if flat[0].get(key, missing) != flat[1].get(key, missing)]
    data = [card.training.get("data_sha256") for card in (one, other)]
    return sorted(found) + (["data_sha256"] if data[0] != data[1] else [])


def _flat(table: dict[str, Any], under: str = "") -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in table.items():
        values |= _flat(value, f"{under}{key}.") if isinstance(value, dict) else {f"{under}{key}": value}
    return values


def scores_of(folder: Path, card: Card, series: int) -> dict[str, float]:
    """Score one network on the test landscapes."""
    engine = open_engine(folder, device="cpu", threads=1)
    return score_series(engine, theme_of(card), split="test", series=series)[0].told()


def main() -> None:
    """Read the arguments, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--without", default="unet")
    parser.add_argument("--with", dest="adversarial", default="unet-adversarial")
    parser.add_argument("--series", type=int, default=16, help="held-out landscapes")
    parser.add_argument("--models", type=Path, action="append", default=[], help="a folder of further checkpoints")
    wanted = parser.parse_args()
    cards = [find_model(name, wanted.models) for name in (wanted.without, wanted.adversarial)]
    (plain, _), (adversarial, _) = cards
    unequal = differences(plain, adversarial)
    if unequal:
        sys.exit(f"{plain.id} and {adversarial.id} differ in {', '.join(unequal)}: train both anew by equal configs")
    if not adversarial.training["config"].get("adversarial"):
        sys.exit(f"{adversarial.id} was trained without a discriminator; expected a config with a table [adversarial]")
    found = [scores_of(folder, card, wanted.series) for card, folder in cards]
    print(f"| on {wanted.series} held-out landscapes | {' | '.join(COLUMNS.values())} |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for name, scores in ((f"without: {plain.id}", found[0]), (f"with: {adversarial.id}", found[1])):
        print(f"| {name} | {' | '.join(f'{scores[key]:.3f}' for key in COLUMNS)} |")
    print(f"| difference | {' | '.join(f'{found[1][key] - found[0][key]:+.3f}' for key in COLUMNS)} |")


if __name__ == "__main__":
    main()
