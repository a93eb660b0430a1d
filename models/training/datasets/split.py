"""Splitting files into what is learned from and what is held out, and telling one data set from another."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from models.errors import DataRefused


def held_out_groups(groups: Sequence[Sequence[str]], held_out: float, seed: int, *, of: str = "file(s)") -> set[str]:
    """Draw the names to hold out, group by group: files that show the same ground stay on one side.

    Args:
        groups: names that must stay together; the same groups in the same order give the same draw.
        held_out: below 1 the share of all names, else their number; groups are drawn until it is reached.
        seed: of the draw.
        of: what the names are of, for errors.

    Raises:
        DataRefused: nothing would be left on one of the sides.
    """
    total = sum(len(group) for group in groups)
    wanted = held_out if held_out >= 1 else max(1, round(held_out * total))
    names: set[str] = set()
    for number in np.random.default_rng(seed).permutation(len(groups)):
        if len(names) >= wanted:
            break
        names |= set(groups[number])
    if len(names) >= total:
        raise DataRefused(
            f"{total} {of} in {len(groups)} place(s) cannot be split with {wanted} held out: one place at least "
            "must be left to learn from; add data, or lower data.held_out"
        )
    return names


def fingerprint_files(folder: Path, files: Sequence[Path]) -> str:
    """SHA-256 over the names (under `folder`), sizes and contents of files, in the order of their names."""
    return fingerprint_named({path.relative_to(folder).as_posix(): path for path in sorted(files)})


def fingerprint_named(files: Mapping[str, Path]) -> str:
    """SHA-256 over the names, sizes and contents of files, in their order."""
    whole = hashlib.sha256()
    for name, path in files.items():
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        whole.update(f"{name}\0{path.stat().st_size}\0{digest}\n".encode())
    return whole.hexdigest()
