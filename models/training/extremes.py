"""The chips that a model maps best and worst, kept as they stream by."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.training.metrics import Confusion
from models.training.watching import Example

KEPT = 4
LEAST_VALID = 0.5
"""A chip of which less counts tells little, whatever its score."""


@dataclass(frozen=True)
class RankedChip:
    """A chip and its mean IoU."""

    score: float
    example: Example


class Extremes:
    """The best and the worst chips by mean IoU.

    Only chips with something to tell apart are ranked: of one class in truth and mask, a chip is as easy as it looks.

    Args:
        classes: number of classes K.
        kept: of the best, and of the worst; no more than these are in memory.
    """

    def __init__(self, classes: int, *, kept: int = KEPT) -> None:
        self._classes, self._kept, self._seen = classes, kept, 0
        self._best: list[tuple[float, int, RankedChip]] = []
        self._worst: list[tuple[float, int, RankedChip]] = []

    def add(self, example: Example, valid_HW: NDArray[np.bool_]) -> None:
        """Rank one chip by its valid pixels."""
        counted = Confusion(self._classes)
        counted.add(example.truth, example.mask, valid_HW)
        several = np.count_nonzero(counted.counts.sum(0) + counted.counts.sum(1)) > 1
        if not several or np.count_nonzero(valid_HW) < LEAST_VALID * valid_HW.size:
            return
        self._seen += 1
        score = counted.mean_iou()
        for heap, key in ((self._best, score), (self._worst, -score)):
            heapq.heappush(heap, (key, -self._seen, RankedChip(score, example)))  # of two alike, the first stays
            if len(heap) > self._kept:
                heapq.heappop(heap)

    def best(self) -> list[RankedChip]:
        """Return the best chips, best first."""
        return [chip for _, _, chip in sorted(self._best, key=lambda ranked: ranked[:2], reverse=True)]

    def worst(self) -> list[RankedChip]:
        """Return the worst chips, worst first; none that is among the best."""
        best = {id(chip.example) for chip in self.best()}
        ranked = sorted(self._worst, key=lambda ranked: ranked[:2], reverse=True)
        return [chip for _, _, chip in ranked if id(chip.example) not in best]
