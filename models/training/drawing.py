"""Drawing chips ahead of the steps that need them, in processes of their own: a GPU waits for no simulator."""

from __future__ import annotations

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
"""Batches that each reader holds ready."""


class _Steps(Dataset[Batch]):
    """A lesson's batches by step."""

    def __init__(self, lesson: Lesson, processes: Processes) -> None:
        self._lesson, self._processes = lesson, processes

    def __getitem__(self, step: int) -> Batch:
        return self._lesson.draw(step, self._processes)


def draw_batches(lesson: Lesson, processes: Processes, steps: range, readers: int = 0) -> Iterator[Batch]:
    """Yield this process's share of each step's batch, in order.

    A batch depends on its step alone, so that the number of readers changes how fast batches come, never what is in
    them.

    Args:
        lesson: draws them.
        processes: those that train together.
        steps: those to draw for.
        readers: processes that draw ahead, forked from this one, at most one per core; 0 = draw here, when asked.
    """
    drawn = _Steps(lesson, processes)
    if readers == 0:
        yield from (drawn[step] for step in steps)
        return
    pinned = processes.device.type == "cuda" and torch.cuda.is_available()
    yield from DataLoader(
        drawn, batch_size=None, sampler=steps, num_workers=min(readers, _cores()),
        prefetch_factor=AHEAD, pin_memory=pinned,
        multiprocessing_context="fork",  # a lesson holds open readers of files, which cannot be sent
    )  # fmt: skip


def _cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
