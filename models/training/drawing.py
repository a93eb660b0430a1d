"""Drawing chips ahead of the steps that need them, in processes of their own: a GPU waits for no simulator."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch.utils.data import DataLoader, Dataset

from models.training.lesson import Batch
from models.training.processes import Processes

if TYPE_CHECKING:
    from models.training.lesson import Lesson

AHEAD = 4
"""Batches that each reader holds ready, or one item of those that are drawn together."""


class _Steps(Dataset[list[Batch]]):
    """A lesson's batches, those in one item that are drawn together."""

    def __init__(self, lesson: Lesson, processes: Processes, steps: range) -> None:
        self._lesson, self._processes, self._steps = lesson, processes, steps

    def __getitem__(self, number: int) -> list[Batch]:
        first = number * self._lesson.together
        steps = range(max(first, self._steps.start), min(first + self._lesson.together, self._steps.stop))
        return [self._lesson.draw(step, self._processes) for step in steps]


def draw_batches(lesson: Lesson, processes: Processes, steps: range, readers: int = 0) -> Iterator[Batch]:
    """Yield this process's share of each step's batch, in order.

    A batch depends on its step alone, so that the number of readers changes how fast batches come, never what is in
    them.

    Args:
        lesson: draws them.
        processes: those that train together.
        steps: those to draw for, one after the other.
        readers: processes that draw ahead, forked from this one, at most one per core; 0 = draw here, when asked.
    """
    if readers == 0:
        yield from (lesson.draw(step, processes) for step in steps)
        return
    pinned = processes.device.type == "cuda" and torch.cuda.is_available()
    ahead = DataLoader(
        _Steps(lesson, processes, steps), batch_size=None,
        sampler=range(steps.start // lesson.together, math.ceil(steps.stop / lesson.together)),
        num_workers=min(readers, _cores()), prefetch_factor=max(1, AHEAD // lesson.together), pin_memory=pinned,
        multiprocessing_context="fork",  # a lesson holds open readers of files, which cannot be sent
    )  # fmt: skip
    for batches in ahead:
        yield from batches


def _cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
