"""The demo's way to the service: plain HTTP, as a user's script would go."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx

from service.demo.series import UploadFiles
from service.errors import DemoFailed

_INGEST_S = 600.0
_QUIET_S = 60.0


class Client:
    """Speaks with a running service."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=httpx.Timeout(30, read=_QUIET_S), trust_env=False)

    def close(self) -> None:
        """End all connections."""
        self._http.close()

    def upload(self, scene: UploadFiles, advance: Callable[[int], None]) -> str:
        """Send a scene; returns its address. `advance` is told how many more bytes are on their way."""
        with ExitStack() as stack:
            files = {
                role: (path.name, stack.enter_context(_Counted(path, advance)))
                for role, path in (("image", scene.image), ("udm2", scene.udm2), ("metadata", scene.metadata))
            }
            return str(_good(self._http.post("/scenes", files=files)).headers["Location"])

    def wait_for_scenes(self, addresses: list[str], ready: Callable[[], None]) -> None:
        """Wait until every scene is ready; `ready` is called once for each.

        Raises:
            DemoFailed: one was rejected, or it takes too long.
        """
        end = monotonic() + _INGEST_S
        for address in addresses:
            while (found := self.get(address)).get("state") == "received":
                if monotonic() > end:
                    raise DemoFailed(f"{address} was not read within {_INGEST_S:g} s")
                sleep(0.2)
            if found.get("type") != "Feature":
                raise DemoFailed(f"{address} was not taken in: {found.get('reason', found)}")
            ready()

    def start_job(self, inputs: dict[str, Any]) -> str:
        """Start a job; returns its address."""
        answer = _good(self._http.post("/processes/segment/execution", json={"inputs": inputs}))
        return str(answer.headers["Location"])

    def follow(self, job: str) -> Iterator[dict[str, Any]]:
        """Yield a job's status at every change until it has ended, over server-sent events."""
        seen = ""
        while True:
            try:
                for number, info in self._events(job, seen):
                    seen = number
                    yield info
                    if info["status"] not in {"accepted", "running"}:
                        return
            except httpx.TransportError:
                sleep(1)

    def download(self, job: str, folder: Path, advance: Callable[[str], None]) -> list[str]:
        """Fetch every product of a job and check its hash; returns their names."""
        listed = self.get(f"/masks/{job.rsplit('/', 1)[-1]}")["files"]
        results = self.get(f"{job}/results")
        if set(results) != {file["name"] for file in listed}:
            raise DemoFailed("the job's results and its list of files name different products")
        for file in listed:
            digest = hashlib.sha256()
            with self._http.stream("GET", file["href"]) as answer, (folder / file["name"]).open("wb") as target:
                answer.raise_for_status()
                for chunk in answer.iter_bytes():
                    target.write(chunk)
                    digest.update(chunk)
            if digest.hexdigest() != file["sha256"]:
                raise DemoFailed(f"{file['name']} came with other bytes than the service has")
            advance(file["name"])
        return sorted(results)

    def get(self, address: str) -> dict[str, Any]:
        """Return a JSON document."""
        found: dict[str, Any] = _good(self._http.get(address)).json()
        return found

    def _events(self, job: str, last_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}
        with self._http.stream("GET", f"{job}/events", headers=headers) as answer:
            answer.raise_for_status()
            for line in answer.iter_lines():
                field, _, value = line.partition(": ")
                if field == "id":
                    last_id = value
                elif field == "data":
                    yield last_id, json.loads(value)


def _good(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        detail = answer.json().get("detail", answer.text) if "json" in answer.headers["content-type"] else answer.text
        raise DemoFailed(
            f"{answer.request.method} {answer.request.url} was answered with {answer.status_code}: {detail}"
        )
    return answer


class _Counted(io.FileIO):
    """A file that tells how much of it was read."""

    def __init__(self, path: Path, advance: Callable[[int], None]) -> None:
        super().__init__(path, "rb")
        self._advance = advance

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._advance(len(data or b""))
        return data or b""
