"""Fixtures that tests of the workers share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.workers.places import workplace
from workers.settings import Settings
from workers.workplace import Workplace


@pytest.fixture
def place(settings: Settings) -> Iterator[Workplace]:
    with workplace(settings) as made:
        yield made
        assert [p.name for p in made.scratch.iterdir()] == [".lock"]
