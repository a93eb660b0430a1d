"""An upload over tus whose connection is cut, and whose API is killed, again and again: it ends whole."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.conftest import free_port, wait_for
from tests.service.conftest import NO_BROKER
from workers.database import close_database, open_database
from workers.records import SceneRecord
from workers.settings import Settings
from workers.store import open_store

pytestmark = pytest.mark.e2e

CUTS = 20
KILLS = 5
TUS = {"Tus-Resumable": "1.0.0"}


@contextmanager
def api(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the API as a process; at the end of the body it is killed, without a chance to tidy up."""
    given = {"CHRONOSEG_DATA_DIR": str(folder), "CHRONOSEG_BROKER_URL": NO_BROKER}
    command = [sys.executable, "-m", "service.cli.main", "api", "--port", str(port)]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, env={**os.environ, **given}, stdout=log, stderr=log)
    try:
        wait_for(lambda: process.poll() is not None or answers(port), "the API starts")
        assert process.poll() is None, (folder / "log").read_text()
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)


def answers(port: int) -> bool:
    try:
        return httpx.options(f"http://127.0.0.1:{port}/uploads", trust_env=False).status_code == 204
    except httpx.TransportError:
        return False


def create(port: int, size: int) -> str:
    made = httpx.post(f"http://127.0.0.1:{port}/uploads", headers={**TUS, "Upload-Length": str(size)}, trust_env=False)
    assert made.status_code == 201
    return made.headers["location"]


def head(address: str) -> httpx.Response:
    answer = httpx.head(address, headers=TUS, trust_env=False)
    assert answer.status_code == 200
    return answer


@contextmanager
def sending(address: str, data: bytes, start: int, count: int) -> Iterator[socket.socket]:
    """Begin to PATCH all that is missing, send `count` bytes of it, and go no further."""
    headers = {**TUS, "Content-Type": "application/offset+octet-stream", "Upload-Offset": str(start)}
    with beginning("PATCH", address, headers, data[start:], count) as sock:
        yield sock


@contextmanager
def beginning(method: str, address: str, headers: dict[str, str], body: bytes, count: int) -> Iterator[socket.socket]:
    """Begin a request, send `count` bytes of its body, and go no further."""
    url = httpx.URL(address)
    fields = {**headers, "Host": url.netloc.decode(), "Content-Length": str(len(body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    with socket.create_connection((url.host, url.port or 80), timeout=60) as sock:
        sock.sendall(f"{method} {url.path} HTTP/1.1\r\n{lines}\r\n".encode() + body[:count])
        yield sock


def finish(address: str, data: bytes, start: int) -> str:
    """Send what is missing; return the scene's id."""

    def sent() -> bool:
        headers = {**TUS, "Content-Type": "application/offset+octet-stream", "Upload-Offset": str(start)}
        answer = httpx.patch(address, headers=headers, content=data[start:], timeout=60, trust_env=False)
        assert answer.status_code in {204, 423}, answer.text
        return answer.status_code == 204

    wait_for(sent, "nobody else writes to the upload", 20)
    whole = head(address)
    assert whole.headers["upload-offset"] == str(len(data))
    return whole.links["item"]["url"].rsplit("/", 1)[-1]


def received_sha256(settings: Settings, scene_id: str) -> str:
    sessions = open_database(settings.database)
    with sessions() as session:
        key = session.get_one(SceneRecord, scene_id).upload["files"]["image"]
    close_database(sessions)
    return hashlib.sha256(b"".join(open_store(settings).read(key))).hexdigest()


def reset(sock: socket.socket) -> None:
    """Let closing the socket throw away what is under way, as a broken line does."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_connection_that_is_cut_twenty_times(tmp_path: Path) -> None:
    chance, port = random.Random(20), free_port()  # noqa: S311 - for places, not secrets
    data = chance.randbytes(24_000_000)
    with api(tmp_path, port):
        address = create(port, len(data))
        safe, seen = 0, []
        for cut in range(CUTS):
            count = chance.randint(1, 2 * (len(data) - safe) // (CUTS - cut + 1))
            with sending(address, data, safe, count) as sock:
                if chance.random() < 0.5:
                    reset(sock)

            def settled(start: int = safe) -> bool:
                """The cut was noticed: an empty piece is taken, at the offset that is told."""
                headers = {**TUS, "Content-Type": "application/offset+octet-stream"}
                told = head(address).headers["upload-offset"]
                answer = httpx.patch(address, headers={**headers, "Upload-Offset": told}, trust_env=False)
                return answer.status_code == 204 and int(told) >= start

            wait_for(settled, "the API notices that the connection is cut", 20)
            now_safe = int(head(address).headers["upload-offset"])
            assert safe <= now_safe <= safe + count
            seen.append(now_safe - safe)
            safe = now_safe
        assert sum(gain > 0 for gain in seen) >= CUTS // 4  # what came before a cut is kept
        assert safe < len(data)
        scene = finish(address, data, safe)
    assert received_sha256(Settings(data_dir=tmp_path), scene) == hashlib.sha256(data).hexdigest()


def test_an_api_that_is_killed_five_times(tmp_path: Path) -> None:
    chance, port = random.Random(5), free_port()  # noqa: S311 - the same
    settings, safe = Settings(data_dir=tmp_path), 0
    data = chance.randbytes(150_000_000)
    with api(tmp_path, port):
        address = create(port, len(data))
    for _ in range(KILLS):
        with api(tmp_path, port) as process:
            start = int(head(address).headers["upload-offset"])
            assert start >= safe  # nothing that was acknowledged is lost
            with sending(address, data, start, chance.randint(1_000_000, 40_000_000)):
                safe = int(head(address).headers["upload-offset"])
                process.send_signal(signal.SIGKILL)
                process.wait(10)
        part = next((settings.scratch / "uploads").glob("*/*.tif"))
        assert part.stat().st_size >= safe
        assert part.read_bytes()[:safe] == data[:safe]
    assert safe > 0
    with api(tmp_path, port):
        start = int(head(address).headers["upload-offset"])
        assert safe <= start < len(data)
        scene = finish(address, data, start)
    assert received_sha256(settings, scene) == hashlib.sha256(data).hexdigest()


def test_a_killed_api_leaves_nothing_of_an_upload_in_one_request(tmp_path: Path) -> None:
    port, scratch = free_port(), Settings(data_dir=tmp_path).scratch / "uploads"
    headers, body = {"Content-Type": "image/tiff"}, bytes(20_000_000)
    with (
        api(tmp_path, port) as process,
        beginning("POST", f"http://127.0.0.1:{port}/scenes", headers, body, 10_000_000),
    ):
        wait_for(lambda: any(path.stat().st_size > 5_000_000 for path in scratch.rglob("*.tif")), "half is there", 20)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    assert list(scratch.rglob("*.tif"))
    with api(tmp_path, port):
        wait_for(lambda: not any(scratch.iterdir()), "the new process sweeps", 20)
