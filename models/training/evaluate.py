"""Scores of a network on landscapes that it was not trained on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from geo.simulator.series import Series, simulate, truth
from geo.simulator.spec import SeriesSpec, Theme
from models.card import MASK_NODATA
from models.engine import Engine
from models.networks import Stepping
from models.settling import settle
from models.training.chips import HELD_OUT_SEEDS, Chip
from models.training.metrics import Confusion
from models.training.themes import THEMES

Look = tuple[NDArray[np.float32], NDArray[np.bool_], float]
"""Reflectance (C, H, W), clear (H, W), days since 1970-01-01."""


def held_out_spec(theme: Theme, side_px: int = 256) -> SeriesSpec:
    """What held-out series are like: PlanetScope's 3 m, ten dates, a quarter cloud; every one with the change."""
    return SeriesSpec(
        theme=theme, height=side_px, width=side_px, res_m=3.0, dates=10, start=date(2022, 6, 1), gap_days=(6, 16),
        cloud_fraction=0.25, fire_chance=1.0 if theme == "burned-area" else None,
        clearing_chance=1.0 if theme == "tree-cover" else None,
    )  # fmt: skip


def evaluate(
    net: Stepping | Engine, theme: Theme, *, split: Literal["validation", "test"], series: int, side_px: int = 256
) -> dict[str, float]:
    """Score a network on held-out simulated series.

    Every pixel that was seen at least once counts at every date, under cloud too, where the mask repeats the last look
    while the ground may have changed: what a user gets, not what the network could know. `clear_` scores count only
    pixels that are clear at the date.

    Args:
        net: in any mode; left in eval mode. A static network walks the dates too (`models.networks.stepping`); one that
            cannot tile exactly runs in an engine, as in a job.
        theme: what the landscapes are about.
        split: validation landscapes (for choosing) or test landscapes (for the card).
        series: number of landscapes.
        side_px: their edge.

    Returns:
        `iou`: of the followed class, mean over dates (all landscapes pooled); `change_iou`: the same of the change
        since the first date; `accuracy`; and `clear_iou`, `clear_change_iou`.
    """
    followed = FollowedScores(theme, held_out_spec(theme, side_px).dates)
    for made in held_out_series(theme, split, series, side_px):
        followed.add(made, masks_of(net, made))
    return followed.told()


def held_out_series(
    theme: Theme, split: Literal["validation", "test"], series: int, side_px: int = 256
) -> Iterator[Series]:
    """Yield held-out series, one after the other."""
    spec = held_out_spec(theme, side_px)
    for seed in HELD_OUT_SEEDS[split][:series]:
        yield simulate(spec, seed)


def masks_of(net: Stepping | Engine, series: Series) -> NDArray[np.uint8]:
    """Run a network over a series, date by date; (T, H, W) class ids, 255 where never clear."""
    if isinstance(net, torch.nn.Module):
        return np.stack([*settle(stepped(net, series), lasting=net.lasting)])
    looks = zip(series.reflectance, series.clear, series.days, strict=True)
    return np.stack([*settle(walked(net, series.spec.shape, looks), lasting=net.card.change.lasting)])


@torch.no_grad()
def stepped(net: Stepping, looks: Series | Chip) -> Iterator[NDArray[np.float32]]:
    """Yield the probabilities of each date, (K, H, W), from a network that sees all of `looks`, on its own device."""
    net.eval()
    device = next(net.parameters()).device
    _, _, height, width = looks.reflectance.shape
    state: Sequence[torch.Tensor] = net.start(1, height, width, device)
    for x, clear, day in zip(looks.reflectance, looks.clear, looks.days, strict=True):
        probs, *state = net.step(
            torch.from_numpy(x[None]).to(device),
            torch.from_numpy(clear[None]).to(device),
            torch.tensor([float(day)], device=device),
            *state,
        )
        yield probs[0].cpu().numpy()


def walked(engine: Engine, shape: tuple[int, int], looks: Iterable[Look]) -> Iterator[NDArray[np.float32]]:
    """Yield the same from an engine; around the ground lies as much that is not clear as a block reads.

    Args:
        engine: of any family.
        shape: (height, width) of the ground.
        looks: reflectance (C, H, W), clear (H, W) and days since 1970-01-01 of each date.
    """
    (height, width), halo, stride = shape, engine.card.halo_px, engine.card.stride_px
    sides = ((halo, halo + -height % stride), (halo, halo + -width % stride))
    state = engine.start(height + sum(sides[0]), width + sum(sides[1]))
    for x, clear, day in looks:
        state, probs = engine.step(state, np.pad(x, ((0, 0), *sides)), np.pad(clear, sides), int(day))
        yield probs[:, halo : halo + height, halo : halo + width].copy()


class FollowedScores:
    """Scores of the class that a theme follows and of its change, as cards tell them; see `evaluate`.

    Args:
        theme: what the landscapes are about.
        dates: of every series.
    """

    def __init__(self, theme: Theme, dates: int) -> None:
        self._theme = THEMES[theme]
        self._counts = {
            kind: [Confusion(2) for _ in range(dates)] for kind in ("", "change_", "clear_", "clear_change_")
        }

    def add(self, series: Series, masks: NDArray[np.uint8]) -> None:
        """Count the masks of a series, (T, H, W)."""
        true, change = truth(series), self._theme.change
        first = np.take_along_axis(masks, (masks != MASK_NODATA).argmax(0)[None], axis=0)[0]
        for number, (truth_HW, mask_HW, clear_HW) in enumerate(zip(true, masks, series.clear, strict=True)):
            seen = mask_HW != MASK_NODATA
            truly_changed = (true[0] == change.before) & (truth_HW == change.after)
            changed = (first == change.before) & (mask_HW == change.after)
            for prefix, valid in (("", seen), ("clear_", clear_HW)):
                self._counts[prefix][number].add(truth_HW, mask_HW, valid)
                self._counts[f"{prefix}change_"][number].add(truly_changed, changed, valid)

    def told(self) -> dict[str, float]:
        """Return the scores, means over dates."""
        classes = {kind: 1 if "change" in kind else self._theme.followed for kind in self._counts}
        scores = {f"{kind}iou": _mean([c.iou(classes[kind]) for c in counts]) for kind, counts in self._counts.items()}
        return scores | {"accuracy": _mean([c.accuracy() for c in self._counts[""]])}


def _mean(values: list[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
