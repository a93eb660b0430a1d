"""Settling: from the probabilities of a series' dates to its masks; what lasts is settled after the last date."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from models.card import MASK_NODATA

SETS_IN = 0.4
"""A lasting change has set in where its probability is above this. F1, and intersection over union with it, is best at
half of the F1 that can be reached (Lipton et al. 2014, "Optimal thresholding of classifiers to maximize F1"), here 0.9;
on validation landscapes the latter is the same to 0.003 from 0.3 to 0.5 (`python -m benchmarks.accuracy cuts`). Lower
cuts find more and date it better, and call more burned where nothing has.
"""

Probs = NDArray[np.float32]
Mask = NDArray[np.uint8]


def settle(probs_T: Iterable[Probs], *, lasting: bool, sets_in: float = SETS_IN) -> Iterator[Mask]:
    """Yield the mask of every date.

    Args:
        probs_T: of each date, (K, H, W); NaN where no date was clear yet.
        lasting: class 1 of two never goes back to class 0 (`Change.lasting`). Masks then only grow from date to date,
            and come after the last date: what has changed by then has been so since the dates that said so began to do
            so without a break. What later looks have refuted, such as the shadow of a cloud that nobody had masked, is
            in no mask, and dates no change that came after it. A change is one since the first date: its mask has none.
        sets_in: probability above which a lasting change has set in.

    Returns:
        (H, W) class ids, MASK_NODATA where no date was clear yet.
    """
    if lasting:
        yield from _settle_once(probs_T, sets_in)
        return
    for probs in probs_T:
        yield np.where(np.isnan(probs[0]), np.uint8(MASK_NODATA), _most_probable(probs))


def _settle_once(probs_T: Iterable[Probs], sets_in: float) -> Iterator[Mask]:
    """Follow two planes: the first date with a look, and the first of the alarms that still hold."""
    dates, planes = 0, None
    for probs in probs_T:
        after = probs[1]
        if planes is None:
            planes = np.full((2, *after.shape), np.iinfo(np.int32).max, np.int32)
        looked, alarmed = planes
        np.copyto(looked, dates, where=(looked > dates) & ~np.isnan(after))
        alarm = (after > sets_in) & (dates > 0)
        np.copyto(alarmed, dates, where=(alarmed > dates) & alarm)
        np.copyto(alarmed, np.iinfo(np.int32).max, where=~alarm)
        dates += 1
    if planes is None:
        return
    for date in range(dates):
        mask = (alarmed <= date).view(np.uint8)
        mask[looked > date] = MASK_NODATA
        yield mask


def _most_probable(probs: Probs) -> Mask:
    """Return the most probable class; the lower id where two are equal."""
    if len(probs) == 2:
        return np.asarray(probs[1] > probs[0]).view(np.uint8)
    return np.asarray(np.argmax(probs, axis=0)).astype(np.uint8)
