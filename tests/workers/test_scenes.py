from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from workers.cleaning import ORPHAN_S, clean_all, remove_orphans
from workers.database import Sessions, close_database, open_database, writing
from workers.errors import SceneUnknown
from workers.local_store import LocalStore
from workers.records import SceneRecord, SceneState
from workers.scenes import find_scene, ready_scenes, receive_scene, reject_scene


@pytest.fixture
def sessions(database_url: str) -> Iterator[Sessions]:
    made = open_database(database_url)
    yield made
    close_database(made)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def send(
    sessions: Sessions, store: LocalStore, folder: Path, data: bytes = b"pixels", owner: str = "me", **options: object
) -> tuple[SceneRecord, bool]:
    folder.mkdir(exist_ok=True)
    image, udm2 = folder / "..\\a b*.tif", folder / "a_udm2.tif"
    image.write_bytes(data)
    udm2.write_bytes(b"mask")
    with sessions() as session:
        return receive_scene(session, store, owner, {"image": image, "udm2": udm2}, options)


def test_an_upload_is_kept_under_names_that_are_safe(sessions: Sessions, store: LocalStore, tmp_path: Path) -> None:
    scene, created = send(sessions, store, tmp_path / "in", scale=0.5)
    assert created
    assert scene.upload["options"] == {"scale": 0.5}
    assert {role: key.rpartition("/")[2] for role, key in scene.upload["files"].items()} == {
        "image": "_a b_.tif",
        "udm2": "a_udm2.tif",
    }
    assert sorted(scene.upload["files"].values()) == list(store.keys(f"uploads/{scene.id}/"))
    assert b"".join(store.read(scene.upload["files"]["image"])) == b"pixels"


def test_the_same_bytes_are_one_scene(sessions: Sessions, store: LocalStore, tmp_path: Path) -> None:
    first, _ = send(sessions, store, tmp_path / "in")
    second, created = send(sessions, store, tmp_path / "other place")
    assert (second.id, created) == (first.id, False)
    assert len(list(store.keys(""))) == 2
    for other in ({"data": b"others"}, {"owner": "another"}, {"scale": 2}):
        scene, created = send(sessions, store, tmp_path / "in", **other)
        assert created
        assert scene.id != first.id


def test_the_same_bytes_at_the_same_time_are_one_scene(sessions: Sessions, store: LocalStore, tmp_path: Path) -> None:
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda n: send(sessions, store, tmp_path / str(n)), range(6)))
    assert len({scene.id for scene, _ in found}) == 1
    assert sum(created for _, created in found) == 1
    assert len(list(store.keys(""))) == 2
    assert sorted(found[0][0].upload["files"].values()) == list(store.keys(""))


def test_a_rejected_scene_may_be_sent_again(sessions: Sessions, store: LocalStore, tmp_path: Path) -> None:
    first, _ = send(sessions, store, tmp_path / "in")
    with writing(sessions) as session:
        assert reject_scene(session, first.id, "for a reason")
    store.put(tmp_path / "in" / "a_udm2.tif", f"scenes/{first.id}/clear.tif")
    clean_all(sessions, store)
    assert list(store.keys("")) == []
    second, created = send(sessions, store, tmp_path / "in")
    assert (second.id, created, second.state, second.reason) == (first.id, True, SceneState.RECEIVED, "")
    with writing(sessions) as session:
        reject_scene(session, first.id, "for another")
    third, created = send(sessions, store, tmp_path / "in")
    assert created
    assert sorted(third.upload["files"].values()) == list(store.keys(""))


def test_a_scene_is_its_owners_alone(sessions: Sessions, store: LocalStore, tmp_path: Path) -> None:
    scene, _ = send(sessions, store, tmp_path / "in")
    with sessions() as session:
        assert find_scene(session, "me", scene.id).sha256 == scene.sha256
        for owner, scene_id in (("another", scene.id), ("me", "unheard-of")):
            with pytest.raises(SceneUnknown):
                find_scene(session, owner, scene_id)


def test_scenes_of_a_period_are_found(sessions: Sessions, store: LocalStore, tmp_path: Path) -> None:
    for day in (3, 1, 2):
        scene, _ = send(sessions, store, tmp_path / "in", bytes([day]))
        with writing(sessions) as session:
            held = session.get_one(SceneRecord, scene.id)
            held.state, held.acquired = SceneState.READY, datetime(2020, 8, day, tzinfo=UTC)
    with sessions() as session:
        found = ready_scenes(session, "me", datetime(2020, 8, 1, tzinfo=UTC), datetime(2020, 8, 3, tzinfo=UTC))
    assert [scene.acquired for scene in found] == [datetime(2020, 8, day, tzinfo=UTC) for day in (1, 2)]


def test_orphans_go_when_they_are_old(sessions: Sessions, store: LocalStore, tmp_path: Path) -> None:
    scene, _ = send(sessions, store, tmp_path / "in")
    stray = tmp_path / "in" / "a_udm2.tif"
    for key in ("uploads/x/y/image/a.tif", "jobs/x/blocks/000000/masks.tif", "masks/x/a.tif"):
        store.put(stray, key)
    remove_orphans(sessions, store, ORPHAN_S)
    assert len(list(store.keys(""))) == 5
    remove_orphans(sessions, store, -1.0)
    assert list(store.keys("")) == ["masks/x/a.tif", *sorted(scene.upload["files"].values())]
