"""Uploads in pieces over tus: the protocol, and what goes wrong. Cuts and kills are in tests/e2e/test_uploads.py."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from service.appending import sweep_uploads
from service.context import Context
from service.parts import Parts, parts_of
from tests.conftest import wait_for
from workers.database import writing
from workers.keys import create_key
from workers.records import SceneRecord, now
from workers.settings import Settings
from workers.uploads import UploadRecord

TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}
IMAGE = b"II*\x00" + bytes(range(256)) * 40


def metadata(**values: str) -> str:
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in values.items())


def create(http: httpx.Client, headers: Mapping[str, str] | None = None, size: int = len(IMAGE)) -> str:
    made = http.post("/uploads", headers={**TUS, "Upload-Length": str(size), **(headers or {})})
    assert (made.status_code, made.headers["upload-offset"]) == (201, "0"), made.text
    return made.headers["location"]


def patch(http: httpx.Client, address: str, offset: int, data: bytes, **headers: str) -> httpx.Response:
    return http.patch(address, headers={**PIECE, "Upload-Offset": str(offset), **headers}, content=data)


def offset(http: httpx.Client, address: str) -> int:
    return int(http.head(address, headers=TUS).headers["upload-offset"])


def checksum(algorithm: str, data: bytes) -> str:
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}"


def nothing_in_scratch(settings: Settings) -> bool:
    return not any(path.is_file() and path.name != ".lock" for path in settings.scratch.rglob("*"))


def test_what_there_is(http: httpx.Client) -> None:
    for path in ("/uploads", "/uploads/any"):
        answer = http.options(path)
        assert answer.status_code == 204
        assert {name: value for name, value in answer.headers.items() if name.startswith("tus-")} == {
            "tus-resumable": "1.0.0",
            "tus-version": "1.0.0",
            "tus-extension": "creation,creation-with-upload,termination,checksum,expiration",
            "tus-max-size": "2000000",
            "tus-checksum-algorithm": "sha1,sha256",
        }


def test_pieces_become_a_scene(http: httpx.Client, parts: Context, service_settings: Settings) -> None:
    told = metadata(filename="C:\\20200801_100000.tif", bands="blue=1,green=2", acquired="2020-08-01", relativePath="x")
    address = create(http, {"Upload-Metadata": told})
    first = patch(http, address, 0, IMAGE[:3000])
    assert (first.status_code, first.headers["upload-offset"], "link" in first.headers) == (204, "3000", False)
    seen = http.head(address, headers=TUS)
    assert seen.headers["upload-length"] == str(len(IMAGE))
    assert (seen.headers["upload-metadata"], seen.headers["cache-control"]) == (told, "no-store")
    assert seen.headers["upload-expires"].endswith(" GMT")
    last = patch(http, address, 3000, IMAGE[3000:])
    assert (last.status_code, last.headers["upload-offset"]) == (204, str(len(IMAGE)))
    assert http.get(last.links["item"]["url"]).json()["state"] == "received"
    with parts.sessions() as session:
        scene = session.scalars(select(SceneRecord)).one()
    key = scene.upload["files"]["image"]
    assert (key.rsplit("/", 1)[-1], b"".join(parts.store.read(key))) == ("20200801_100000.tif", IMAGE)
    assert scene.upload["options"] == {"bands": {"blue": 1, "green": 2}, "acquired": "2020-08-01T00:00:00+00:00"}
    assert nothing_in_scratch(service_settings)
    again = http.head(address, headers=TUS)
    assert (again.headers["upload-offset"], again.links["item"]) == (str(len(IMAGE)), last.links["item"])
    assert patch(http, address, len(IMAGE), b"").status_code == 204


def test_the_same_bytes_are_one_scene_by_every_way(http: httpx.Client) -> None:
    whole = {**PIECE, "Upload-Length": str(len(IMAGE))}
    tus = http.post("/uploads", headers=whole, content=IMAGE)
    assert (tus.status_code, tus.headers["upload-offset"]) == (201, str(len(IMAGE)))
    raw = http.post("/scenes", headers={"Content-Type": "image/tiff"}, content=IMAGE)
    form = http.post("/scenes", files={"image": ("a.tif", IMAGE)})
    again = http.post("/uploads", headers=whole, content=IMAGE)
    assert (raw.status_code, form.status_code, again.status_code) == (200, 200, 201)
    addresses = {
        tus.links["item"]["url"],
        again.links["item"]["url"],
        raw.headers["location"],
        form.headers["location"],
    }
    assert len(addresses) == 1


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_piece_that_its_checksum_disowns_is_dropped(http: httpx.Client, parts: Context, algorithm: str) -> None:
    address = create(http)
    right = {"Upload-Checksum": checksum(algorithm, IMAGE[:5000])}
    assert patch(http, address, 0, IMAGE[:4999] + b"x", **right).status_code == 460
    assert offset(http, address) == 0
    assert patch(http, address, 0, IMAGE[:5000], **right).headers["upload-offset"] == "5000"
    last = {"Upload-Checksum": checksum(algorithm, IMAGE[5000:])}
    assert patch(http, address, 5000, bytes(len(IMAGE) - 5000), **last).status_code == 460
    done = patch(http, address, 5000, IMAGE[5000:], **last)
    assert "item" in done.links
    with parts.sessions() as session:
        key = session.scalars(select(SceneRecord)).one().upload["files"]["image"]
    assert b"".join(parts.store.read(key)) == IMAGE


@pytest.mark.parametrize(
    ("headers", "status", "word"),
    [
        ({"Tus-Resumable": "0.2.2"}, 412, "'0.2.2'"),
        ({"Tus-Resumable": "1.0.0"}, 400, "Upload-Length"),
        ({"Upload-Length": "-1"}, 400, "'-1'"),
        ({"Upload-Length": "0"}, 422, "empty file"),
        ({"Upload-Length": "2000001"}, 413, "2000000"),
        ({"Upload-Length": "9", "Upload-Metadata": "filename ?"}, 400, "'filename'"),
        ({"Upload-Length": "9", "Upload-Metadata": "a YQ==,a YQ=="}, 400, "once"),
        ({"Upload-Length": "9", "Upload-Metadata": metadata(scale="much")}, 422, "'much'"),
        ({"Upload-Length": "9", "Content-Type": "image/tiff"}, 415, "offset+octet-stream"),
    ],
)
def test_creations_that_are_refused(http: httpx.Client, headers: dict[str, str], status: int, word: str) -> None:
    answer = http.post("/uploads", headers={**TUS, **headers})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert word in answer.json()["detail"]
    assert answer.headers["tus-resumable"] == "1.0.0"
    assert answer.headers.get("tus-version") == ("1.0.0" if status == 412 else None)


def test_pieces_that_are_refused(http: httpx.Client) -> None:
    address = create(http)
    patch(http, address, 0, IMAGE[:10])
    assert http.patch(address, headers={**TUS, "Upload-Offset": "10"}, content=b"x").status_code == 415
    assert http.patch(address, headers=PIECE, content=b"x").status_code == 400
    assert http.patch(address, headers={"Upload-Offset": "10"}, content=b"x").status_code == 412
    behind = patch(http, address, 9, b"x")
    assert (behind.status_code, behind.json()["detail"].split(":")[0]) == (409, "expected Upload-Offset 10; got 9")
    assert patch(http, address, 11, b"x").status_code == 409
    assert patch(http, address, 10, IMAGE).status_code == 413
    assert patch(http, address, 10, b"x", **{"Upload-Checksum": "md5 YQ=="}).status_code == 400
    assert patch(http, address, 10, b"x", **{"Upload-Checksum": "sha1 ?"}).status_code == 400
    assert patch(http, f"{address}0", 0, b"x").status_code == 404
    assert http.head(f"{address}0", headers=TUS).status_code == 404
    assert offset(http, address) == 10


def test_a_body_that_is_longer_than_it_may_be_is_cut(http: httpx.Client) -> None:
    def untold() -> Iterator[bytes]:
        yield IMAGE
        yield b"x"

    address = create(http)
    assert http.patch(address, headers={**PIECE, "Upload-Offset": "0"}, content=untold()).status_code == 413
    assert "item" in patch(http, address, 0, IMAGE).links


def test_the_method_may_stand_in_a_header(http: httpx.Client) -> None:
    address = create(http)
    piece = {**PIECE, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    assert http.post(address, headers=piece, content=b"abc").headers["upload-offset"] == "3"
    assert http.post(address, headers={**TUS, "X-HTTP-Method-Override": "PUT"}).status_code == 405
    assert http.post(address, headers={**TUS, "X-HTTP-Method-Override": "DELETE"}).status_code == 204
    assert http.head(address, headers=TUS).status_code == 404


def test_termination(http: httpx.Client, service_settings: Settings) -> None:
    address = create(http)
    patch(http, address, 0, IMAGE[:10])
    assert http.delete(address, headers=TUS).status_code == 204
    assert http.delete(address, headers=TUS).status_code == 404
    assert patch(http, address, 10, IMAGE[10:]).status_code == 404
    assert nothing_in_scratch(service_settings)


def test_one_writer_at_a_time(http: httpx.Client, url: str, service_settings: Settings) -> None:
    address = create(http)
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as slow:
        fields = {**PIECE, "Host": f"{host}:{port}", "Upload-Offset": "0", "Content-Length": "1000"}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        slow.sendall(f"PATCH {httpx.URL(address).path} HTTP/1.1\r\n{head}\r\n".encode() + IMAGE[:100])
        file = parts_of(service_settings).path(address.rsplit("/", 1)[-1], "image.tif")
        wait_for(file.exists, "the first holds the upload", 10)
        assert patch(http, address, 0, b"").status_code == 423
        assert http.delete(address, headers=TUS).status_code == 423
        slow.sendall(IMAGE[100:1000])
        assert b" 204 " in slow.recv(1000)
    assert patch(http, address, 1000, IMAGE[1000:]).status_code == 204


def test_many_writers_at_once_corrupt_nothing(url: str, http: httpx.Client, parts: Context) -> None:
    address, done = create(http, size=400_000), threading.Event()
    data = os.urandom(400_000)
    statuses: list[int] = []

    def write() -> None:
        with httpx.Client(timeout=30, trust_env=False) as own:
            while not done.is_set():
                at = offset(own, address)
                if at == len(data):
                    done.set()
                    return
                statuses.append(patch(own, address, at, data[at : at + 20_000]).status_code)

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert set(statuses) <= {204, 409, 423}
    assert statuses.count(204) >= 20
    with parts.sessions() as session:
        key = session.scalars(select(SceneRecord)).one().upload["files"]["image"]
    assert b"".join(parts.store.read(key)) == data


def test_expired_uploads_go(http: httpx.Client, parts: Context, service_settings: Settings) -> None:
    gone, kept = create(http), create(http)
    for address in (gone, kept):
        patch(http, address, 0, IMAGE[:100])
    with writing(parts.sessions) as session:
        session.get_one(UploadRecord, gone.rsplit("/", 1)[-1]).expires = now() - timedelta(seconds=1)
    assert http.head(gone, headers=TUS).status_code == 410
    sweep_uploads(parts)
    assert http.head(gone, headers=TUS).status_code == 404
    assert parts_of(service_settings).ids() == {kept.rsplit("/", 1)[-1]}
    assert patch(http, kept, 100, IMAGE[100:]).status_code == 204


def test_bytes_that_another_host_holds_come_again(
    http: httpx.Client, parts: Context, service_settings: Settings
) -> None:
    address = create(http)
    patch(http, address, 0, IMAGE[:5000])
    parts_of(service_settings).remove(address.rsplit("/", 1)[-1])
    assert patch(http, address, 5000, IMAGE[5000:]).status_code == 409
    assert offset(http, address) == 0
    assert "item" in patch(http, address, 0, IMAGE).links


def test_bytes_that_the_store_shares_are_not_written_to(tmp_path: Path) -> None:
    parts = Parts(tmp_path / "parts")
    with parts.locked("u"):
        with parts.open("u", "a.tif", 0) as file:
            file.write(b"abcdef")
        os.link(parts.path("u", "a.tif"), tmp_path / "stored")  # as the local store does
        with parts.open("u", "a.tif", 3) as file:
            file.write(b"xyz")
    assert (tmp_path / "stored").read_bytes() == b"abcdef"
    assert parts.path("u", "a.tif").read_bytes() == b"abcxyz"


def test_uploads_are_their_owners(http: httpx.Client, parts: Context) -> None:
    with writing(parts.sessions) as session:
        ana, ben = ({"Authorization": f"Bearer {create_key(session, who, ['write'])[1]}"} for who in ("ana", "ben"))
    address = create(http, ana)
    assert patch(http, address, 0, IMAGE[:10], **ana).status_code == 204
    assert patch(http, address, 10, IMAGE[10:], **ben).status_code == 404
    assert http.head(address, headers={**TUS, **ben}).status_code == 404
    assert http.delete(address, headers={**TUS, **ben}).status_code == 404
    scene = patch(http, address, 10, IMAGE[10:], **ana).links["item"]["url"]
    assert http.get(scene, headers=ana).status_code == 200
    assert http.get(scene, headers=ben).status_code == 404
