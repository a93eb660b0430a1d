from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import httpx
import pytest
from fastapi import Request
from sqlalchemy import select

from service.bodies import batches
from service.context import Context
from service.errors import BodyStalled
from service.parts import parts_of
from tests.service.records import add_job, add_ready_scene, add_scene
from workers.database import writing
from workers.records import JobState, SceneRecord, SceneState
from workers.scenes import receive_scene
from workers.settings import Settings

TIFF = {"Content-Type": "image/tiff"}
IMAGE = b"II*\x00" + bytes(5000)


def only_scene(parts: Context) -> SceneRecord:
    with parts.sessions() as session:
        return session.scalars(select(SceneRecord)).one()


def stored(parts: Context, role: str) -> tuple[str, bytes]:
    key = only_scene(parts).upload["files"][role]
    return key.rsplit("/", 1)[-1], b"".join(parts.store.read(key))


def scratch_is_empty(settings: Settings) -> bool:
    return parts_of(settings).ids() == set()


def test_form(http: httpx.Client, parts: Context, service_settings: Settings) -> None:
    files = {
        "image": ("20200801_100000_0e26_3B_AnalyticMS_SR.tif", IMAGE),
        "udm2": ("C:\\maps\\20200801_100000_0e26_3B_udm2.tif", b"mask"),
        "metadata": ("m.json", b"{}"),
    }
    options = {"bands": "blue=1,green=2,red=3,nir=4", "scale": "1e-4", "acquired": "2020-08-01"}
    answer = http.post("/scenes", files=files, data=options)
    assert answer.status_code == 201
    assert answer.json()["state"] == "received"
    assert answer.headers["location"].endswith(f"/scenes/{answer.json()['id']}")
    assert stored(parts, "image") == ("20200801_100000_0e26_3B_AnalyticMS_SR.tif", IMAGE)
    assert stored(parts, "udm2") == ("20200801_100000_0e26_3B_udm2.tif", b"mask")
    assert stored(parts, "metadata") == ("m.json", b"{}")
    assert only_scene(parts).upload["options"] == {
        "bands": {"blue": 1, "green": 2, "red": 3, "nir": 4},
        "scale": 1e-4,
        "acquired": "2020-08-01T00:00:00+00:00",
    }
    assert scratch_is_empty(service_settings)


def test_raw_body(http: httpx.Client, parts: Context) -> None:
    query = {"bands": "blue=1,green=2,red=3,nir=4", "acquired": "2020-08-01T12:00:00+02:00"}
    headers = {**TIFF, "Content-Disposition": "attachment; filename*=UTF-8''f%C3%BCr%201.tif"}
    answer = http.post("/scenes", params=query, headers=headers, content=IMAGE)
    assert answer.status_code == 201
    assert stored(parts, "image") == ("f_r 1.tif", IMAGE)
    assert only_scene(parts).upload["options"]["acquired"] == "2020-08-01T10:00:00+00:00"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("a.tif", "a.tif"),
        ("../../x.tif", "x.tif"),
        ("..", "image.tif"),
        ("a\x00b\r\n.tif", "a_b__.tif"),
        ("/", "image.tif"),
    ],
)
def test_names_stay_in_their_folder(http: httpx.Client, parts: Context, name: str, kept: str) -> None:
    assert http.post("/scenes", params={"name": name}, headers=TIFF, content=IMAGE).status_code == 201
    assert stored(parts, "image") == (kept, IMAGE)


def test_same_bytes_are_one_scene(http: httpx.Client, parts: Context) -> None:
    first = http.post("/scenes", files={"image": ("a.tif", IMAGE)})
    again = http.post("/scenes", files={"bundle": ("b.tif", IMAGE)})
    other = http.post("/scenes", files={"image": ("a.tif", IMAGE + b"x")})
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 201)
    assert first.headers["location"] == again.headers["location"] != other.headers["location"]


def test_a_digest_taken_on_the_way_is_that_of_the_file(http: httpx.Client, parts: Context, tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(IMAGE)
    with parts.sessions() as session:
        known, _ = receive_scene(session, parts.store, "", {"image": tmp_path / "a.tif"}, {})
    raw = http.post("/scenes", headers=TIFF, content=IMAGE)
    form = http.post("/scenes", files={"image": ("b.tif", IMAGE)})
    assert (raw.status_code, form.status_code) == (200, 200)
    assert raw.json()["id"] == form.json()["id"] == known.id


def test_a_body_that_stalls_is_given_up_and_what_came_is_not_lost() -> None:
    async def stalling() -> dict[str, object]:
        if sent:
            await asyncio.sleep(3600)
        sent.append(b"abc")
        return {"type": "http.request", "body": b"abc", "more_body": True}

    async def read() -> None:
        async for batch in batches(Request({"type": "http"}, stalling), 10, 0.1):
            found.append(batch)

    sent: list[bytes] = []
    found: list[bytes] = []
    with pytest.raises(BodyStalled, match=r"for 0\.1 s"):
        asyncio.run(read())
    assert found == [b"abc"]


def chunks(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield bytes(100_000)


def test_too_large(http: httpx.Client, parts: Context, service_settings: Settings) -> None:
    told = http.post("/scenes", headers={**TIFF, "Expect": "100-continue"}, content=bytes(2_100_000))
    assert told.status_code == 413
    assert told.json()["detail"] == "an upload may have at most 2000000 bytes"
    untold = http.post("/scenes", headers=TIFF, content=chunks(21))
    assert untold.status_code == 413
    assert http.get("/scenes").json()["scenes"] == []
    assert scratch_is_empty(service_settings)


BOUNDARY = {"Content-Type": "multipart/form-data; boundary=x"}
PART = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.tif"\r\n\r\nabc'


@pytest.mark.parametrize(
    ("headers", "body", "status", "word"),
    [
        ({"Content-Type": "text/plain"}, b"x", 415, "text/plain"),
        ({}, b"x", 415, "no Content-Type"),
        ({"Content-Type": "multipart/form-data"}, b"x", 400, "boundary"),
        (BOUNDARY, b"nonsense", 400, "cannot be parsed"),
        (BOUNDARY, PART, 400, "closing boundary"),
        (BOUNDARY, PART.replace(b"image", b"picture") + b"\r\n--x--\r\n", 422, "'picture'"),
        (BOUNDARY, PART + b"\r\n" + PART + b"\r\n--x--\r\n", 422, "two files"),
        (BOUNDARY, PART.replace(b"image", b"udm2") + b"\r\n--x--\r\n", 422, "`image`"),
        (BOUNDARY, b'--x\r\nContent-Disposition: form-data; name="bands"\r\n\r\n' + bytes(9000), 422, "4096"),
    ],
)
def test_bodies_that_are_refused(
    http: httpx.Client, service_settings: Settings, headers: dict[str, str], body: bytes, status: int, word: str
) -> None:
    answer = http.post("/scenes", headers=headers, content=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert word in answer.json()["detail"]
    assert scratch_is_empty(service_settings)
    assert http.get("/scenes").json()["scenes"] == []


@pytest.mark.parametrize(
    "query",
    [{"bands": "blue"}, {"bands": "pink=1"}, {"scale": "nan"}, {"scale": "-1"}, {"acquired": "soon"}, {"scale": "x"}],
)
def test_options_that_are_refused(http: httpx.Client, query: dict[str, str]) -> None:
    answer = http.post("/scenes", params=query, headers=TIFF, content=IMAGE)
    assert answer.status_code == 422
    assert next(iter(query.values())).split("=")[0] in answer.json()["detail"]


def test_wait_ends_with_the_reading(http: httpx.Client, parts: Context) -> None:
    def reject() -> None:
        while True:
            with writing(parts.sessions) as session:
                scene = session.scalars(select(SceneRecord)).one_or_none()
                if scene is not None:
                    scene.state, scene.reason = SceneState.REJECTED, "no CRS"
                    return
            sleep(0.05)

    reader = threading.Thread(target=reject)
    reader.start()
    answer = http.post("/scenes", headers={**TIFF, "Prefer": "respond-async, wait=20"}, content=IMAGE)
    reader.join()
    assert (answer.status_code, answer.json()["state"], answer.json()["reason"]) == (201, "rejected", "no CRS")
    assert answer.headers["preference-applied"] == "wait=20"


def test_wait_ends_with_its_time(http: httpx.Client) -> None:
    answer = http.post("/scenes", headers={**TIFF, "Prefer": "wait=1"}, content=IMAGE)
    assert (answer.status_code, answer.json()["state"]) == (201, "received")


def test_ready_scene_is_its_item(http: httpx.Client, parts: Context, tmp_path: Path) -> None:
    data = add_ready_scene(parts, tmp_path)
    answer = http.get("/scenes/scene-1")
    assert answer.headers["content-type"] == "application/geo+json"
    item = answer.json()
    assert (item["id"], item["type"]) == ("scene-1", "Feature")
    assert {link["rel"] for link in item["links"]} >= {"self", "root"}
    href = item["assets"]["reflectance"]["href"]
    assert http.get(href).content == data
    part = http.get(href, headers={"Range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, data[5:10])
    assert http.get(href, headers={"If-None-Match": part.headers["etag"]}).status_code == 304
    assert http.get("/scenes/scene-1/assets/other.tif").status_code == 404


def test_split_upload_names_its_parts(http: httpx.Client, parts: Context) -> None:
    add_scene(parts, "zip", SceneState.SPLIT, held=["one", "two"])
    assert [p.rsplit("/", 1)[-1] for p in http.get("/scenes/zip").json()["parts"]] == ["one", "two"]


def test_assets_of_a_scene_that_is_not_ready(http: httpx.Client, parts: Context) -> None:
    add_scene(parts, "new", SceneState.RECEIVED)
    assert http.get("/scenes/new/assets/reflectance.tif").status_code == 409


def test_pages(http: httpx.Client, parts: Context) -> None:
    for number in range(5):
        add_scene(parts, f"scene-{number}", SceneState.RECEIVED)
    seen, address = [], "/scenes?limit=2"
    while address:
        body = http.get(address).json()
        assert len(body["scenes"]) <= 2
        seen += [scene["id"] for scene in body["scenes"]]
        address = next((link["href"] for link in body["links"] if link["rel"] == "next"), "")
    assert seen == [f"scene-{number}" for number in reversed(range(5))]
    assert http.get("/scenes?token=nonsense").status_code == 404
    assert http.get("/scenes?limit=0").status_code == 422


def test_delete(http: httpx.Client, parts: Context, tmp_path: Path) -> None:
    add_ready_scene(parts, tmp_path)
    plan = {"dates": [{"scene_ids": ["scene-1"]}]}
    add_job(parts, JobState.SEGMENTING, plan=plan)
    refused = http.delete("/scenes/scene-1")
    assert refused.status_code == 409
    assert "job-1" in refused.json()["detail"]
    http.delete("/jobs/job-1")
    assert http.delete("/scenes/scene-1").status_code == 204
    assert http.get("/scenes/scene-1").status_code == 404
    assert list(parts.store.keys("scenes/")) == []


def test_delete_waits_for_the_reading(http: httpx.Client, parts: Context) -> None:
    add_scene(parts, "new", SceneState.RECEIVED)
    assert http.delete("/scenes/new").status_code == 409
    assert http.delete("/scenes/nobody").status_code == 404
