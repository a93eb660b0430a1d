"""Scenes by reference, fetched from a real server on the loopback and from a real S3 service."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from geo.errors import SceneRejected
from tests.workers.places import again, messages, upload, workplace
from workers.errors import AddressRefused, LeaseLost
from workers.ingesting import ingest_scene
from workers.records import SceneRecord, SceneState
from workers.references import check_reference, fetch, receive_reference
from workers.s3_store import S3Store
from workers.settings import Settings
from workers.workplace import Workplace


class _Source(BaseHTTPRequestHandler):
    """Serves one file; breaks the connection off in the middle of the first `cuts` answers."""

    content: ClassVar[bytes] = b""
    ranged: ClassVar[list[str]] = []
    cuts: ClassVar[list[int]] = [0]

    def do_GET(self) -> None:
        cut = self.cuts[0] > 0
        self.cuts[0] -= 1
        if self.path.startswith("/away"):
            self.send_error(503)
            return
        if self.path.startswith("/missing"):
            self.send_error(404)
            return
        if self.path.startswith("/loop"):
            self.send_response(302)
            self.send_header("Location", "/loop")
            self.end_headers()
            return
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked and self.headers["If-Range"] == '"one"' else 0
        self.ranged.append(self.headers.get("Range", ""))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.content) - start))
        self.send_header("ETag", '"one"')
        self.end_headers()
        rest = self.content[start:]
        self.wfile.write(rest[: len(rest) // 2] if cut else rest)

    def log_message(self, format: str, *args: object) -> None: ...


@contextmanager
def _source(content: bytes, cuts: int = 0) -> Iterator[tuple[str, list[str]]]:
    class Handler(_Source):
        pass

    Handler.content, Handler.ranged, Handler.cuts = content, [], [cuts]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}", Handler.ranged
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.references._PAUSE_S", 0.01)


def _allowing(settings: Settings, *sources: str) -> Settings:
    return settings.model_copy(update={"reference_sources": sources, "private_hosts": ("localhost",)})


def _nothing() -> None: ...


def test_a_scene_by_reference_is_the_scene_of_its_bytes(settings: Settings, place: Workplace, tmp_path: Path) -> None:
    uploaded = upload(place, tmp_path, 1)
    key = uploaded.upload["files"]["image"]
    source = _source(b"".join(place.store.read(key)), cuts=2)
    with source as (base, ranged), workplace(_allowing(settings, base + "/data/")) as there:
        url = f"{base}/data/{key.rpartition('/')[2]}?signature=x"
        with there.sessions() as session:
            named = receive_reference(session, "", {"image": url}, uploaded.upload["options"])
        ingest_scene(there, named.id)
    found = again(place, SceneRecord, named.id)
    assert found.state == SceneState.SPLIT, found.reason
    assert found.parts == [uploaded.id]
    assert ranged[0] == ""
    assert all(text.startswith("bytes=") for text in ranged[1:])
    assert len(ranged) == 3


def test_what_lies_there_becomes_a_scene(settings: Settings, place: Workplace, tmp_path: Path) -> None:
    uploaded = upload(place, tmp_path, 1)
    key, options = uploaded.upload["files"]["image"], uploaded.upload["options"]
    with _source(b"".join(place.store.read(key))) as (base, _), workplace(_allowing(settings, base + "/")) as there:
        with there.sessions() as session:
            named = receive_reference(session, "other", {"image": f"{base}/{key.rpartition('/')[2]}"}, options)
        waiting = messages(there)["io"]
        ingest_scene(there, named.id)
        assert messages(there)["io"] == waiting + 1
        (part,) = again(there, SceneRecord, named.id).parts
        ingest_scene(there, part)
        made = again(there, SceneRecord, part)
        assert (made.state, made.owner) == (SceneState.READY, "other"), made.reason
        assert again(there, SceneRecord, named.id).cleaned


@pytest.mark.parametrize(
    ("path", "reason"), [("/missing.tif", "404"), ("/away.tif", "4 attempts: it answers 503"), ("/loop", "on and on")]
)
def test_a_source_that_has_nothing_rejects_the_scene(
    settings: Settings, place: Workplace, path: str, reason: str
) -> None:
    with _source(b"") as (base, _), workplace(_allowing(settings, base + "/")) as there:
        with there.sessions() as session:
            named = receive_reference(session, "", {"image": base + path + "?signature=secret"}, {})
        ingest_scene(there, named.id)
    found = again(place, SceneRecord, named.id)
    assert found.state == SceneState.REJECTED
    assert reason in found.reason
    assert "secret" not in found.reason
    assert list(place.store.keys("")) == []


def test_limits(settings: Settings, tmp_path: Path) -> None:
    small = _allowing(settings, "http://localhost").model_copy(update={"max_upload_mb": 1})
    with _source(bytes(1_000_001)) as (base, _):
        allowed = small.model_copy(update={"reference_sources": (base,)})
        with pytest.raises(SceneRejected, match="more than 1000000 bytes"):
            fetch(f"{base}/x.tif", tmp_path, allowed, _nothing)

        def lost() -> None:
            raise LeaseLost("another has it")

        with pytest.raises(LeaseLost):
            fetch(f"{base}/x.tif", tmp_path, allowed, lost)
    with pytest.raises(SceneRejected, match="could not be fetched"):  # nobody listens there any more
        fetch(f"{base}/x.tif", tmp_path, allowed, _nothing)


def test_names_cannot_escape(settings: Settings, tmp_path: Path) -> None:
    with _source(b"content") as (base, _):
        allowed = _allowing(settings, base)
        found = fetch(f"{base}/a/%2e.bashrc%00x.tif".replace("%2e", ""), tmp_path, allowed, _nothing)
        assert found.path.parent == tmp_path
        assert not found.path.name.startswith(".")
        assert found.sha256 == hashlib.sha256(b"content").hexdigest()


@pytest.mark.parametrize(
    "url",
    [
        "s3://other/a.tif", "s3://open-data/private/a.tif", "s3://open-data/scenes/../private/a.tif", "s3://open-data/scenes",
        "s3://chronoseg/masks/a.tif", "https://open-data/scenes/a.tif", "s3:///scenes/a.tif", "", "/etc/passwd",
    ],
)  # fmt: skip
def test_references_outside_of_the_sources(settings: Settings, url: str) -> None:
    allowed = settings.model_copy(
        update={"reference_sources": ("s3://open-data/scenes/", "s3://chronoseg/"), "store_url": "s3://chronoseg/"}
    )
    check_reference("s3://open-data/scenes/a.tif", allowed)
    with pytest.raises(AddressRefused):
        check_reference(url, allowed)


def test_without_sources_there_are_no_references(settings: Settings) -> None:
    with pytest.raises(AddressRefused, match="upload its file"):
        check_reference("https://example.org/a.tif", settings)


def test_a_reference_to_s3(settings: Settings, s3: tuple[str, str], tmp_path: Path) -> None:
    endpoint, bucket = s3
    store = S3Store(bucket, endpoint_url=endpoint)
    (tmp_path / "a.tif").write_bytes(b"content")
    store.put(tmp_path / "a.tif", "scenes/a.tif")
    allowed = settings.model_copy(
        update={"reference_sources": (f"s3://{bucket}/scenes/",), "s3_endpoint_url": endpoint}
    )
    found = fetch(f"s3://{bucket}/scenes/a.tif", tmp_path, allowed, _nothing)
    assert found.sha256 == hashlib.sha256(b"content").hexdigest()
    with pytest.raises(SceneRejected, match="nothing is stored"):
        fetch(f"s3://{bucket}/scenes/b.tif", tmp_path, allowed, _nothing)


def test_a_reference_counts_for_the_quota(settings: Settings, place: Workplace) -> None:
    with _source(bytes(1_000_001)) as (base, _):
        allowed = _allowing(settings, base + "/").model_copy(update={"stored_mb": 1})
        with workplace(allowed) as there:
            with there.sessions() as session:
                named = receive_reference(session, "", {"image": f"{base}/a.tif"}, {})
            ingest_scene(there, named.id)
    found = again(place, SceneRecord, named.id)
    assert found.state == SceneState.REJECTED
    assert "stored" in found.reason
