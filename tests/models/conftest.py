"""Checkpoints of static networks, exported once for all tests of this folder: an export takes seconds."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.models.static_nets import save_static

TILE_PX = 64
"""Of the networks that do not tile exactly; their lattice's step is half of it."""


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the folder of a network's checkpoint, by its name in `tests.models.static_nets.NETS`."""

    @functools.cache
    def save(name: str) -> Path:
        folder = tmp_path_factory.mktemp("static") / name
        save_static(folder, name, tile_px=TILE_PX)
        return folder

    return save
