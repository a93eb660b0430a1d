"""What another cut (`models.settling.SETS_IN`) would give, on validation landscapes: area, day, and false alarms."""

from __future__ import annotations

import numpy as np

from benchmarks.accuracy.landscapes import NO_FIRE, landscapes_of
from benchmarks.accuracy.score import Accuracy, probs_of
from models.checkpoint import load_network
from models.registry import locate_model
from models.settling import settle

CUTS = (0.5, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1)
KINDS = ("standard", "cloudy", NO_FIRE)


def print_cuts(model: str, landscapes: int) -> None:
    """Print a row per cut.

    Args:
        model: name of a network that follows burned area, or a checkpoint's folder.
        landscapes: how many of each kind; of those that nothing is reported on.
    """
    card, folder = locate_model(model)
    if not card.change.lasting:
        raise SystemExit(f"expected a network of what lasts; {card.id} follows {card.change.name}: name another")
    net = load_network(folder, card)
    scored = {(kind, cut): Accuracy("burned-area") for kind in KINDS for cut in CUTS}
    for kind in KINDS:
        for series in landscapes_of(kind, "burned-area", landscapes, "validation"):
            probs = probs_of(net, series)
            for cut in CUTS:
                scored[kind, cut].add(series, np.stack([*settle(probs, lasting=True, sets_in=cut)]))
    print("| cut | standard: IoU | day | cloudy: IoU | day | no fire: false alarms |\n|---|---|---|---|---|---|")
    for cut in CUTS:
        standard, cloudy, unburned = (scored[kind, cut] for kind in KINDS)
        values = [f"{value:.3f}" for one in (standard, cloudy) for value in (one.iou(), one.right_day_share())]
        print(f"| {cut} | {' | '.join(values)} | {unburned.false_alarm_share():.4f} |")
