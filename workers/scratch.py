"""Scratch: a folder for each attempt at a piece of work; those of dead processes are removed."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import IO

_LOCK = ".lock"


@contextmanager
def own_scratch(root: Path) -> Iterator[Path]:
    """Make a folder of this process's own below `root`; gone afterwards, and swept away by others if we die."""
    root.mkdir(parents=True, exist_ok=True)
    new = Path(mkdtemp(prefix=".", dir=root))
    with (new / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = new.rename(root / f"worker-{os.getpid()}-{new.name.strip('.')}")  # seen by others only when locked
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def attempt_folder(scratch: Path, name: str) -> Iterator[Path]:
    """Make an empty folder for one attempt; gone afterwards."""
    folder = Path(mkdtemp(prefix=f"{name}-", dir=scratch))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_stale(root: Path) -> None:
    """Remove the folders of processes that are no more: the kernel gave up their locks, also across containers."""
    for folder in root.glob("worker-*"):
        with suppress(FileNotFoundError), (folder / _LOCK).open("r+") as lock:
            if _lockable(lock):
                shutil.rmtree(folder, ignore_errors=True)


def _lockable(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
