"""Extents of collections: what is in them, at once where that is cheap, and for a while where it is not."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from service import extents
from service.extents import Extents
from tests.catalogues import enter_scenes
from workers.database import Sessions, close_database, open_database
from workers.items import Collection


@pytest.fixture
def sessions(database_url: str) -> Iterator[Sessions]:
    made = open_database(database_url)
    yield made
    close_database(made)


def last_of(found: Extents, sessions: Sessions, owner: str = "") -> str | None:
    with sessions() as session:
        interval = found.find(session, owner, Collection.SCENES)["temporal"]["interval"]
    end: str | None = interval[0][1]
    return end


def test_what_is_cheap_is_looked_for_each_time(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extents, "CHEAP_S", 60.0)  # whatever else this machine does
    found = Extents()
    assert last_of(found, sessions) is None
    enter_scenes(sessions, 3)
    assert last_of(found, sessions) == "2020-01-01T12:02:00Z"
    enter_scenes(sessions, 3, owner="another", prefix="hers")
    assert last_of(found, sessions, "another") == "2020-01-01T12:02:00Z"
    assert last_of(found, sessions, "nobody") is None


def test_what_is_dear_is_kept_as_long_as_it_is_worth(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extents, "CHEAP_S", 0.0)
    monkeypatch.setattr(extents, "TIMES", 1e6)
    found = Extents()
    enter_scenes(sessions, 3)
    assert last_of(found, sessions) == "2020-01-01T12:02:00Z"
    enter_scenes(sessions, 1, prefix="more")
    enter_scenes(sessions, 5, prefix="later")
    assert last_of(found, sessions) == "2020-01-01T12:02:00Z"
    assert last_of(Extents(), sessions) == "2020-01-01T12:04:00Z"
    monkeypatch.setattr(extents, "TIMES", 1e-3)
    soon = Extents()
    assert last_of(soon, sessions) == "2020-01-01T12:04:00Z"
    enter_scenes(sessions, 7, prefix="last")
    time.sleep(0.05)
    assert last_of(soon, sessions) == "2020-01-01T12:06:00Z"
