"""How right maps per date are: area, day of change, confidence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from geo.simulator.series import Series, truth
from geo.simulator.spec import Theme
from models.card import MASK_NODATA
from models.recurrent_unet import RecurrentUNet
from models.training.calibration import Calibration
from models.training.evaluate import stepped
from models.training.metrics import Confusion
from models.training.themes import THEMES

Masks = NDArray[np.uint8]
NEVER = np.iinfo(np.int64).max


@dataclass
class Accuracy:
    """Scores over any number of landscapes.

    A pixel counts at a date where its ground could be seen: the usable-data mask calls it clear, and it is.
    `everywhere` counts it from its first clear look on, under cloud too, where the ground may change unseen.
    `witnessed` leaves out the pixels whose first look came after their change: no two looks show it.

    Attributes:
        theme: says which class is followed.
        by_date: counts of each date where the ground could be seen.
        everywhere: the same of all pixels once seen.
        witnessed: as `by_date`, of pixels that were first seen before they changed.
        right_days, changed: pixels that truly changed and were seen since, and those of them whose change is given to
            within one look of the first that could show it.
        calibration: of the probabilities, where the ground could be seen.
    """

    theme: Theme
    by_date: list[Confusion] = field(default_factory=list)
    everywhere: list[Confusion] = field(default_factory=list)
    witnessed: list[Confusion] = field(default_factory=list)
    right_days: int = 0
    changed: int = 0
    calibration: Calibration = field(default_factory=lambda: Calibration(2))

    def add(self, series: Series, masks_THW: Masks, probs_TKHW: NDArray[np.float32] | None = None) -> None:
        """Count one landscape.

        Args:
            series: with its truth.
            masks_THW: class ids, 255 where no date was clear yet.
            probs_TKHW: what they were made from; None where there are none.
        """
        true, visible, seen = truth(series), series.clear & series.truly_clear, masks_THW != MASK_NODATA
        at_start = visible.any(0) & (_at_first_look(true, visible) == THEMES[self.theme].change.before)
        counts = ((self.by_date, visible), (self.everywhere, seen), (self.witnessed, visible & at_start))
        for counted, valid in counts:
            counted.extend(Confusion(2) for _ in range(len(true) - len(counted)))
            for t, confusion in enumerate(counted[: len(true)]):
                confusion.add(true[t], masks_THW[t], valid[t])
        self._add_days(true, masks_THW, visible, at_start)
        if probs_TKHW is not None:
            for t in range(len(true)):
                self.calibration.add(np.clip(np.nan_to_num(probs_TKHW[t]), 0, 1), true[t], visible[t])

    def iou(self) -> float:
        """IoU of the followed class, mean over dates, where the ground could be seen."""
        return _mean_iou(self.by_date, self.theme)

    def iou_everywhere(self) -> float:
        """The same of all pixels from their first clear look on."""
        return _mean_iou(self.everywhere, self.theme)

    def iou_witnessed(self) -> float:
        """The same where the ground could be seen, of pixels that were first seen before they changed."""
        return _mean_iou(self.witnessed, self.theme)

    def right_day_share(self) -> float:
        """Share of the changed pixels whose change is given right to within one look; missed ones are wrong."""
        return self.right_days / self.changed if self.changed else float("nan")

    def false_alarm_share(self) -> float:
        """Share of the pixels with a clear look that have not changed by the last date and are called changed on it."""
        change, counts = THEMES[self.theme].change, self.everywhere[-1].counts
        unchanged = int(counts[change.before].sum())
        return int(counts[change.before, change.after]) / unchanged if unchanged else float("nan")

    def _add_days(self, true: Masks, masks: Masks, visible: NDArray[np.bool_], at_start: NDArray[np.bool_]) -> None:
        change = THEMES[self.theme].change
        looks = np.cumsum(
            visible, 0, dtype=np.int64
        )  # number of a look at each pixel, so that clouds do not count as looks
        truly = _first_look(visible & (true == change.after), looks)
        given = _first_look(visible & (masks == change.after), looks)
        changed = at_start & (truly < NEVER)
        self.changed += int(changed.sum())
        self.right_days += int((changed & (given < NEVER) & (np.abs(given - truly) <= 1)).sum())


def probs_of(net: nn.Module, series: Series) -> NDArray[np.float32]:
    """Run a network over a series: (T, K, H, W), NaN before the first clear look.

    The recurrent network runs date by date, as in a job. A rival sees all dates at once, each of which knows earlier
    ones at most; a date that is not clear repeats the last look.
    """
    if isinstance(net, RecurrentUNet):
        return np.stack([*stepped(net, series)])
    with torch.inference_mode():
        x, clear = torch.from_numpy(series.reflectance[None]), torch.from_numpy(series.clear[None])
        logprobs = net(x, clear, torch.from_numpy(series.days.astype(np.float32)[None]))[0]
    return hold_last(logprobs.exp().numpy(), series.clear)


def hold_last(probs_TKHW: NDArray[np.float32], clear_THW: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Repeat the last clear look where a date is not clear; NaN before the first."""
    held = np.full_like(probs_TKHW, np.nan)
    last = np.full_like(probs_TKHW[0], np.nan)
    for t, clear in enumerate(clear_THW):
        last = np.where(clear, probs_TKHW[t], last)
        held[t] = last
    return held


def _at_first_look(true: Masks, visible: NDArray[np.bool_]) -> Masks:
    """True class of each pixel when its ground could first be seen; anything where it never could."""
    first: Masks = np.take_along_axis(true, visible.argmax(0)[None], 0)[0]
    return first


def _first_look(where: NDArray[np.bool_], looks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of the look at which something is first so; NEVER where it never is."""
    first = np.take_along_axis(looks, where.argmax(0)[None], 0)[0]
    return np.where(where.any(0), first, NEVER)


def _mean_iou(counted: Iterable[Confusion], theme: Theme) -> float:
    return float(np.nanmean([confusion.iou(THEMES[theme].followed) for confusion in counted]))
