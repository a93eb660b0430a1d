"""A training run on the terminal: a bar where there is one, else lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from models.training.watching import Event, Watcher


@contextmanager
def show_progress(console: Console) -> Iterator[Watcher]:
    """Show steps, loss and time left as a bar that stays below what is said; no bar where nobody sees it."""
    from models.training.watching import Saved, Started, Stepped, tell_lines

    if not console.is_terminal:
        yield tell_lines(lambda line: print(line, flush=True))
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("loss {task.fields[loss]:.4f}"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as progress:
        say = tell_lines(lambda line: progress.console.print(line, highlight=False, markup=False))
        task = progress.add_task("train", total=None, loss=float("nan"))

        def watch(event: Event) -> None:
            if isinstance(event, Started):
                progress.update(task, total=event.steps, completed=event.done)
            elif isinstance(event, Stepped):
                progress.update(task, completed=event.step, loss=event.loss)
            if not isinstance(event, Saved):
                say(event)

        yield watch
