"""Settling: from the probabilities of a series' dates to its masks; what lasts is settled after the last date."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.card import MASK_NODATA
from models.lasting import HAZARD, SURE

SETS_IN = 0.4
"""A lasting change has set in where its probability is above this. F1, and intersection over union with it, is best at
half of the F1 that can be reached (Lipton et al. 2014, "Optimal thresholding of classifiers to maximize F1"), here 0.8.
"""

Probs = NDArray[np.float32]
Mask = NDArray[np.uint8]

_STEPS = 10


class Settled(Protocol):
    """How masks are settled: what the change of a card, and a network, say.

    Attributes:
        lasting: class 1 of two never goes back to class 0.
        hindsight: what all looks together say of a date counts, not what those until then said.
    """

    @property
    def lasting(self) -> bool: ...
    @property
    def hindsight(self) -> bool: ...


def settle(probs_T: Iterable[Probs], how: Settled) -> Iterator[Mask]:
    """Yield the mask of every date.

    Args:
        probs_T: of each date, (K, H, W); NaN where no date was clear yet.
        how: masks of what lasts only grow from date to date, and come after the last date: what later looks have
            refuted, such as the shadow of a cloud that nobody had masked, is in no mask. Without hindsight, what has
            changed by the last date has been so since the first date that said so; with hindsight, since the first
            date of which all looks together say so.

    Returns:
        (H, W) class ids, MASK_NODATA where no date was clear yet.
    """
    if how.hindsight:
        yield from _settle_with_hindsight(probs_T)
    elif how.lasting:
        yield from _settle_once(probs_T)
    else:
        for probs in probs_T:
            yield np.where(np.isnan(probs[0]), np.uint8(MASK_NODATA), _most_probable(probs))


def _settle_once(probs_T: Iterable[Probs]) -> Iterator[Mask]:
    """Follow three planes: the first date with a look, the first with an alarm, the last probability."""
    dates, planes = 0, None
    for probs in probs_T:
        after = probs[1]
        if planes is None:
            planes = np.full((2, *after.shape), np.iinfo(np.int32).max, np.int32)
        looked, alarmed = planes
        np.copyto(looked, dates, where=(looked > dates) & ~np.isnan(after))
        np.copyto(alarmed, dates, where=(alarmed > dates) & (after > SETS_IN))
        dates += 1
    if planes is None:
        return
    alarmed[~(after > SETS_IN)] = np.iinfo(np.int32).max
    yield from _growing(alarmed, looked, dates)


def _settle_with_hindsight(probs_T: Iterable[Probs]) -> Iterator[Mask]:
    """Keep what is believed after every look, then carry what each look says back to the dates before it.

    A date that repeats the one before was not clear. The probability that a change has set in by a date, given all
    looks, only grows with the date.

    Source: Sarkka 2013, "Bayesian filtering and smoothing", chapter 8; `models.training.hindsight` says the same.
    """
    beliefs: list[_Belief] = []
    last = looked = None
    for probs in probs_T:
        after = probs[1]
        if last is None or looked is None:
            last, looked = np.full_like(after, np.nan), np.full(after.shape, np.iinfo(np.int32).max, np.int32)
        clear = ~np.isnan(after) & (after != last)
        np.copyto(looked, len(beliefs), where=(looked > len(beliefs)) & clear)
        beliefs.append(_Belief.of(after, clear))
        last = after
    if last is None or looked is None:
        return
    dates, sure = len(beliefs), last > SETS_IN
    onset = _set_in(beliefs)
    np.minimum(onset, dates - 1, out=onset, where=sure)  # the last probability is not rounded
    onset[~sure] = np.iinfo(np.int32).max
    yield from _growing(onset, looked, dates)


def _set_in(beliefs: list[_Belief]) -> NDArray[np.int32]:
    """Return the first date by which the change has set in, given all looks; none, where it never does."""
    threshold = np.float32(np.log(SETS_IN / (1 - SETS_IN)))
    hazard, stay = np.float32(HAZARD), np.float32(1 - HAZARD)
    onset = np.full(beliefs[0].odds.shape, np.iinfo(np.int32).max, np.int32)
    later = np.zeros(onset.shape, np.float32)  # log of how much likelier the looks to come are if it has set in
    for date in reversed(range(len(beliefs))):
        clear, odds = beliefs[date].clear(), beliefs[date].log_odds()
        before = beliefs[date - 1].log_odds() if date else np.full_like(later, -SURE)
        onset[clear & (odds + later > threshold)] = date
        told = odds - np.log((np.exp(before) + hazard) / stay) + later
        np.copyto(later, -np.log(hazard + stay * np.exp(-told)), where=clear)
    return onset


def _growing(onset: NDArray[np.int32], looked: NDArray[np.int32], dates: int) -> Iterator[Mask]:
    for date in range(dates):
        mask = (onset <= date).view(np.uint8)
        mask[looked > date] = MASK_NODATA
        yield mask


def _most_probable(probs: Probs) -> Mask:
    """Return the most probable class; the lower id where two are equal."""
    if len(probs) == 2:
        return np.asarray(probs[1] > probs[0]).view(np.uint8)
    return np.asarray(np.argmax(probs, axis=0)).astype(np.uint8)


@dataclass(frozen=True)
class _Belief:
    """What is believed after a date, in little more than a byte a pixel: log-odds in tenths, finer than they are true.

    Attributes:
        odds: (H, W).
        looks: packed bits, set where the date was clear.
    """

    odds: NDArray[np.int8]
    looks: NDArray[np.uint8]

    @classmethod
    def of(cls, after: Probs, clear: NDArray[np.bool_]) -> _Belief:
        """Pack the probability of the change, NaN before the first look."""
        with np.errstate(divide="ignore"):
            odds = np.clip(np.nan_to_num(np.log(after) - np.log1p(-after), nan=-SURE), -SURE, SURE)
        return cls(np.rint(odds * _STEPS).astype(np.int8), np.packbits(clear, axis=-1))

    def log_odds(self) -> Probs:
        """Return the logarithm of the odds."""
        return self.odds.astype(np.float32) / np.float32(_STEPS)

    def clear(self) -> NDArray[np.bool_]:
        """Return where the date was clear."""
        return np.unpackbits(self.looks, axis=-1, count=self.odds.shape[-1]).view(np.bool_)
