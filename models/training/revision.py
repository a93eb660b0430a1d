"""Which code made a checkpoint, where that can be told."""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def code_revision() -> str:
    """Return the git revision of this code, with `+changes` where its folder differs from it; else the version.

    The repository counts only where it tracks this very file: a copy may lie in a repository of something else.
    """
    here = Path(__file__).resolve()
    tracked = _git(here.parent, "ls-files", "--error-unmatch", here.name)
    commit = _git(here.parent, "rev-parse", "HEAD") if tracked is not None else None
    if commit is None:
        try:
            return f"chronoseg {version('chronoseg')}"
        except PackageNotFoundError:
            return "unknown"
    changed = _git(here.parents[2], "status", "--porcelain", "--", "models", "geo")
    return f"{commit}+changes" if changed else commit


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
