"""The quota of stored bytes: what counts, at every way in, on SQLite and Postgres."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import select

from service.app import create_app
from service.context import Context
from tests.service.conftest import NO_BROKER, serving
from tests.service.records import ITEM, add_job, add_product
from workers.cleaning import clean_scene
from workers.database import close_database, writing
from workers.keys import create_key
from workers.records import JobState, SceneRecord, SceneState
from workers.settings import Settings
from workers.storage import item_bytes, stored_bytes

MB = 1_000_000
TUS = {"Tus-Resumable": "1.0.0"}
TIFF = {"Content-Type": "image/tiff"}
SQUARE = {"type": "Polygon", "coordinates": [[[10, 50], [10.01, 50], [10.01, 50.01], [10, 50.01], [10, 50]]]}


@pytest.fixture
def served(database_url: str, tmp_path: Path) -> Iterator[tuple[str, Context]]:
    """A service on each kind of database, whose owners may store 1 MB."""
    settings = Settings(
        data_dir=tmp_path / "data", database_url=database_url, broker_url=NO_BROKER, stored_mb=1, max_upload_mb=3
    )
    app = create_app(settings)
    parts: Context = app.state.context
    with serving(app) as address:
        yield address, parts
    close_database(parts.sessions)


@pytest.fixture
def parts(served: tuple[str, Context]) -> Context:
    return served[1]


@pytest.fixture
def http(served: tuple[str, Context]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served[0], timeout=30, trust_env=False) as client:
        yield client


def add_scene(parts: Context, scene_id: str, owner: str = "", **values: Any) -> None:
    with writing(parts.sessions) as session:
        given = {"sha256": scene_id, "state": SceneState.READY, "upload": {"folder": f"uploads/{scene_id}/x"}, **values}
        session.add(SceneRecord(id=scene_id, owner=owner, **given))


def used(parts: Context, owner: str = "") -> int:
    with parts.sessions() as session:
        return stored_bytes(session, owner)


def raw(http: httpx.Client, size: int, first: bytes = b"a") -> httpx.Response:
    return http.post("/scenes", headers=TIFF, content=first + bytes(size - 1))


def refused(answer: httpx.Response, told: str) -> None:
    assert answer.status_code == 403, answer.text
    problem = answer.json()
    assert problem["type"] == "urn:chronoseg:problem:storage-exceeded"
    assert told in problem["detail"]
    assert "DELETE /scenes/ID" in problem["detail"]
    assert problem["allowed_bytes"] == MB


def test_what_counts(parts: Context, http: httpx.Client, tmp_path: Path) -> None:
    assert used(parts) == 0
    scene = raw(http, 1000).json()["id"]
    assert used(parts) == 1000
    form = http.post("/scenes", files={"image": ("a.tif", b"b" * 500), "udm2": ("u.tif", b"u" * 70)})
    assert form.status_code == 201
    assert used(parts) == 1570
    upload = http.post("/uploads", headers={**TUS, "Upload-Length": "300"}).headers["location"]
    assert used(parts) == 1870  # before a byte of it is there
    piece = {**TUS, "Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
    assert http.patch(upload, headers=piece, content=b"c" * 300).status_code == 204
    assert used(parts) == 1870  # the same bytes are a scene now
    add_job(parts, JobState.SUCCESSFUL)
    (tmp_path / "areas.csv").write_bytes(b"1" * 20)
    add_product(parts, "job-1", tmp_path / "areas.csv")
    assert used(parts) == 1890
    assert http.delete("/jobs/job-1").status_code == 200
    assert used(parts) == 1870
    with writing(parts.sessions) as session:
        record = session.get_one(SceneRecord, scene)
        record.state, record.size = SceneState.READY, 4000
    assert used(parts) == 5870  # beside its upload, which is still there
    clean_scene(parts.sessions, parts.store, scene)
    assert used(parts) == 4870
    assert http.delete(f"/scenes/{scene}").status_code == 204
    assert used(parts) == 870
    assert http.delete(upload, headers=TUS).status_code == 204
    assert used(parts) == 870  # the scene that the upload became stays
    assert used(parts, "ana") == 0


def test_a_rejected_upload_counts_until_its_files_are_gone(parts: Context, http: httpx.Client) -> None:
    scene = raw(http, 900_000).json()["id"]
    refused(raw(http, 200_000, b"b"), "you have 0.9 MB stored of 1.0 MB allowed, and 0.2 MB more do not fit")
    with writing(parts.sessions) as session:
        session.get_one(SceneRecord, scene).state = SceneState.REJECTED
    clean_scene(parts.sessions, parts.store, scene)
    assert used(parts) == 0
    assert raw(http, 200_000, b"b").status_code == 201
    assert raw(http, 700_000).status_code == 201
    assert raw(http, 50_000, b"d").status_code == 201
    assert used(parts) == 950_000


def test_each_way_in_is_refused(parts: Context, http: httpx.Client) -> None:
    add_scene(parts, "big", size=900_000)
    refused(raw(http, 100_001), "0.1 MB more do not fit")
    refused(http.post("/scenes", files={"image": ("a.tif", bytes(150_000))}), "more do not fit")
    untold = iter([bytes(60_000)] * 5)
    refused(http.post("/scenes", headers=TIFF, content=untold), "more do not fit")
    refused(http.post("/uploads", headers={**TUS, "Upload-Length": "100001"}), "0.1 MB more do not fit")
    assert http.post("/uploads", headers={**TUS, "Upload-Length": "50000"}).status_code == 201
    refused(http.post("/uploads", headers={**TUS, "Upload-Length": "50001"}), "more do not fit")
    refused(raw(http, 50_001), "more do not fit")
    assert raw(http, 50_000).status_code == 201
    refused(raw(http, 1), "you have 1.0 MB stored of 1.0 MB allowed: delete scenes")
    body = {"inputs": {"model": "burned-area", "aoi": SQUARE}}
    refused(http.post("/processes/segment/execution", json=body), "dismiss jobs")
    assert http.delete("/scenes/big").status_code == 204
    assert raw(http, 100_000, b"x").status_code == 201
    assert http.post("/processes/segment/execution", json=body).status_code == 201
    with parts.sessions() as session:
        assert len(session.scalars(select(SceneRecord)).all()) == 2
    assert not [path for path in parts.settings.scratch.rglob("*") if path.is_file() and path.name != ".lock"]


def test_what_says_its_length_is_refused_before_it_is_read(served: tuple[str, Context], http: httpx.Client) -> None:
    url, parts = served
    add_scene(parts, "big", size=500_000)
    address = urlsplit(url)
    head = (
        f"POST /scenes HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: image/tiff\r\nContent-Length: 900000\r\n\r\n"
    )
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=20) as client:
        client.sendall(head.encode())  # and nothing else
        answer = client.recv(65536)
    assert answer.startswith(b"HTTP/1.1 403")
    larger = http.post("/scenes", headers=TIFF, content=bytes(3 * MB + 1))
    assert larger.status_code == 413  # too large for anybody


def test_owners_fill_their_own_alone(parts: Context, http: httpx.Client) -> None:
    with writing(parts.sessions) as session:
        keys = {owner: create_key(session, owner, ["write"])[1] for owner in ("ana", "ben")}
    add_scene(parts, "anas", "ana", size=MB)
    for owner, status in (("ana", 403), ("ben", 201)):
        headers = {**TIFF, "X-API-Key": keys[owner]}
        assert http.post("/scenes", headers=headers, content=b"x" * 1000).status_code == status
        headers = {**TUS, "Upload-Length": "9", "X-API-Key": keys[owner]}
        assert http.post("/uploads", headers=headers).status_code == status


def test_without_a_quota_nothing_is_counted(service_settings: Settings) -> None:
    app = create_app(service_settings)
    parts: Context = app.state.context
    add_scene(parts, "huge", size=10**13)
    with serving(app) as url, httpx.Client(base_url=url, trust_env=False) as http:
        assert raw(http, 1000).status_code == 201
    assert used(parts) == 10**13 + 1000


def test_an_items_size_is_that_of_its_files() -> None:
    assets = {
        "reflectance": {"href": "a", "file:size": 70},
        "clear": {"href": "b", "file:size": 7},
        "old": {"href": "c"},
    }
    assert item_bytes({**ITEM, "assets": assets}) == 77
