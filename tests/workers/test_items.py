"""The catalogue's table: scenes that were there before it are entered, and what goes leaves the index."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import delete, select, text

from geo.item import with_files
from tests.catalogues import enter_scenes, made_item
from workers.database import MIGRATIONS, Sessions, close_database, migrate, open_database, writing
from workers.items import ItemRecord
from workers.records import SceneRecord

CROSSING = 50


def downgrade(sessions: Sessions) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with sessions.kw["bind"].connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")


def entered(sessions: Sessions) -> dict[str, tuple[object, ...]]:
    with sessions() as session:
        items = session.scalars(select(ItemRecord))
        return {item.id: (item.acquired, item.west, item.east, item.cloud_pct, item.platform) for item in items}


def test_scenes_that_were_there_are_entered(database_url: str) -> None:
    sessions = open_database(database_url)
    enter_scenes(sessions, CROSSING + 1)
    before = entered(sessions)
    downgrade(sessions)
    migrate(database_url)
    assert entered(sessions) == before
    assert len(before) == CROSSING + 1
    close_database(sessions)


def test_scenes_that_were_there_are_measured(database_url: str) -> None:
    sessions = open_database(database_url)
    enter_scenes(sessions, 1203)
    sizes = {}
    with writing(sessions) as session:
        for number, scene in enumerate(session.scalars(select(SceneRecord))):
            item = json.loads(json.dumps(scene.item))
            for asset in item["assets"].values():
                asset["file:size"] = 3_000_000_000 + number
            scene.item, scene.state = item, "ready" if number else "rejected"
            sizes[scene.id] = len(item["assets"]) * (3_000_000_000 + number) if number else 0
    downgrade(sessions)
    migrate(database_url)
    with sessions() as session:
        found = {scene.id: (scene.size, scene.upload_size) for scene in session.scalars(select(SceneRecord))}
    assert found == {id_: (size, 0) for id_, size in sizes.items()}
    close_database(sessions)


def test_boxes_follow_their_items(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'items.db'}"
    migrate(url)
    sessions = open_database(url)
    enter_scenes(sessions, CROSSING + 1)

    def boxes() -> int:
        with sessions() as session:
            return int(session.scalar(text("SELECT count(*) FROM items_boxes")) or 0)

    assert boxes() == CROSSING + 2  # one lies on both sides of the antimeridian
    with writing(sessions) as session:
        crossing = session.scalars(select(ItemRecord).where(ItemRecord.west > ItemRecord.east)).one()
        crossing.west, crossing.east = 10.0, 11.0
    assert boxes() == CROSSING + 1
    with writing(sessions) as session:
        session.execute(delete(SceneRecord))
    assert boxes() == 0
    close_database(sessions)


def test_files_tell_size_and_checksum(tmp_path: Path) -> None:
    item = made_item(1)
    for name, asset in item["assets"].items():
        asset["href"] = f"{name}.tif"
        (tmp_path / f"{name}.tif").write_bytes(name.encode() * 1000)
    found = with_files(item, tmp_path)["assets"]["clear"]
    assert found["file:size"] == 5000
    assert found["file:checksum"] == "1220" + hashlib.sha256(b"clear" * 1000).hexdigest()
    with pytest.raises(FileNotFoundError):
        with_files(item, tmp_path / "elsewhere")
