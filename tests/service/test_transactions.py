from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from service.app import create_app
from service.context import Context
from tests.catalogues import enter_scenes
from tests.conftest import wait_for
from tests.service.conftest import serving
from workers.database import writing
from workers.items import item_of_scene
from workers.records import SceneRecord, SceneState, now
from workers.settings import Settings

HERE = "https://data.example.org/scenes"
ITEM: dict[str, Any] = {
    "type": "Feature",
    "stac_version": "1.0.0",
    "id": "20200801_1001",
    "geometry": None,
    "properties": {"datetime": "2020-08-01T10:30:00Z"},
    "links": [],
    "assets": {
        "analytic": {
            "href": f"{HERE}/a.tif",
            "bands": [{"name": name, "raster:scale": 0.0001} for name in ("blue", "green", "red", "nir")],
        },
        "mask": {"href": f"{HERE}/udm2.tif", "roles": ["data-mask"]},
        "thumbnail": {"href": "http://elsewhere/t.png", "roles": ["thumbnail"]},
    },
}


@pytest.fixture
def served(service_settings: Settings) -> Iterator[tuple[str, Context]]:
    app = create_app(service_settings.model_copy(update={"reference_sources": (HERE,)}))
    enter_scenes(app.state.context.sessions, 3)
    with serving(app) as address:
        yield address, app.state.context


def test_an_item_by_reference_is_a_scene_to_be_fetched(served: tuple[str, Context]) -> None:
    url, parts = served
    answer = httpx.post(f"{url}/collections/scenes/items", json=ITEM)
    assert answer.status_code == 202, answer.text
    state = httpx.get(answer.headers["Location"]).json()
    with parts.sessions() as session:
        scene = session.get_one(SceneRecord, state["id"])
    assert scene.upload["references"] == {"image": f"{HERE}/a.tif", "udm2": f"{HERE}/udm2.tif"}
    assert scene.upload["options"] == {
        "bands": {"blue": 1, "green": 2, "red": 3, "nir": 4},
        "scale": 0.0001,
        "acquired": "2020-08-01T10:30:00+00:00",
    }


def test_with_time_to_wait_the_item_itself_is_the_answer(served: tuple[str, Context]) -> None:
    url, parts = served

    def fetched() -> None:
        """What a worker would have done; tests/workers/test_references.py has a real one."""

        def noted() -> bool:
            with parts.sessions() as session:
                return session.query(SceneRecord).filter_by(state=SceneState.RECEIVED).count() == 1

        wait_for(noted, "a reference")
        with writing(parts.sessions) as session:
            session.query(SceneRecord).filter_by(state=SceneState.RECEIVED).update(
                {"state": SceneState.SPLIT, "parts": ["made-000001"]}
            )

    worker = threading.Thread(target=fetched)
    worker.start()
    answer = httpx.post(f"{url}/collections/scenes/items", json=ITEM, headers={"Prefer": "wait=30"}, timeout=40)
    worker.join()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{url}/collections/scenes/items/made-000001"
    assert answer.json()["id"] == "made-000001"


@pytest.mark.parametrize(
    "change",
    [
        {"assets": {"thumbnail": {"href": f"{HERE}/t.png", "roles": ["thumbnail"]}}},
        {"assets": {}},
        {"assets": {"image": {"href": "https://elsewhere.example.org/a.tif"}}},
        {"assets": {"image": {"roles": ["data"]}}},
        {"assets": {"a": {"href": HERE, "roles": ["data"]}, "b": {"href": HERE, "roles": ["data"]}}},
        {"properties": {"datetime": "yesterday"}},
        {"type": "FeatureCollection"},
    ],
)
def test_items_that_cannot_be_taken_in(served: tuple[str, Context], change: dict[str, Any]) -> None:
    url, parts = served
    answer = httpx.post(f"{url}/collections/scenes/items", json={**ITEM, **change})
    assert answer.status_code == 422, answer.text
    with parts.sessions() as session:
        assert session.query(SceneRecord).filter_by(state=SceneState.RECEIVED).count() == 0


def test_words_change_and_facts_stay(served: tuple[str, Context]) -> None:
    url, _ = served
    place = f"{url}/collections/scenes/items/made-000001"
    before = httpx.get(place).json()
    words = {"title": "Before the fire", "keywords": ["fire"]}
    patched = httpx.patch(place, json={"properties": words}).json()
    assert patched["properties"]["title"] == "Before the fire"
    assert patched["properties"]["updated"] >= before["properties"]["updated"]
    found = httpx.get(f"{url}/search?ids=made-000001").json()["features"][0]
    assert found["properties"]["keywords"] == ["fire"]
    assert "title" not in httpx.patch(place, json={"properties": {"title": None}}).json()["properties"]
    whole = httpx.put(place, json={**before, "properties": {**before["properties"], "description": "Hazy"}})
    assert whole.status_code == 200, whole.text
    after = whole.json()
    assert after["properties"]["description"] == "Hazy"
    assert "keywords" not in after["properties"]
    assert {**after, "properties": 0} == {**before, "properties": 0}
    refused: list[dict[str, Any]] = [
        {"properties": {"datetime": "2001-01-01T00:00:00Z"}},
        {"properties": {"eo:cloud_cover": 0.123}},
        {"geometry": None},
        {"assets": {}},
        {"properties": {"title": 7}},
        {"properties": []},
    ]
    for wrong in refused:
        assert httpx.patch(place, json=wrong).status_code == 422, wrong
    assert httpx.put(place, json={"id": "made-000001", "type": "Feature", "properties": {}}).status_code == 422
    assert httpx.put(place, json={**before, "id": "other"}).status_code == 422
    assert httpx.patch(place, content=b"[]").status_code == 400


def test_deleting_an_item_deletes_its_scene(served: tuple[str, Context]) -> None:
    url, parts = served
    with writing(parts.sessions) as session:
        item = {
            **httpx.get(f"{url}/collections/scenes/items/made-000001").json(),
            "id": "mine",
            "assets": {},
            "links": [],
        }
        session.add(
            SceneRecord(id="mine", sha256="m", state=SceneState.READY, upload={}, parts=[], acquired=now(), item=item)
        )
        session.flush()
        session.add(item_of_scene("", item))
    place = f"{url}/collections/scenes/items/mine"
    assert httpx.delete(place).status_code == 204
    assert httpx.get(place).status_code == 404
    assert httpx.get(f"{url}/scenes/mine").status_code == 404
    assert httpx.delete(place).status_code == 404


def test_masks_are_no_ones_to_write(served: tuple[str, Context]) -> None:
    url, _ = served
    assert httpx.post(f"{url}/collections/masks/items", json=ITEM).status_code == 422
    assert httpx.delete(f"{url}/collections/masks/items/made-000001").status_code == 422
    assert httpx.post(f"{url}/collections/others/items", json=ITEM).status_code == 404
