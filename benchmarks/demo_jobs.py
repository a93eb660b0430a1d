"""A running service with the demo's series of burned area in it, and jobs over them, for benchmarks of the service."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from service.demo.client import Client
from service.demo.run import running_service
from service.demo.series import CHAPTERS, write_series


@dataclass(frozen=True)
class Served:
    """A service whose scenes are ready.

    Attributes:
        url: its address.
        client: speaks with it.
        scenes: addresses of the scenes.
        inputs: of a job over all of them.
    """

    url: str
    client: Client
    scenes: list[str]
    inputs: dict[str, Any]

    def run(self, see: Callable[[float, dict[str, Any]], None] = lambda _at_s, _info: None) -> float:
        """Run a job; return its seconds. `see` is told of every event: seconds since the job began, and its status."""
        start, info = time.perf_counter(), {}
        for info in self.client.follow(self.client.start_job(self.inputs)):
            see(time.perf_counter() - start, info)
        if info["status"] != "successful":
            sys.exit(f"the job ended as {info['status']}: {info['message']}")
        return time.perf_counter() - start


@contextmanager
def serving_demo(folder: Path, size: int, dates: int) -> Iterator[Served]:
    """Simulate the series, run `chronoseg serve` on its embedded default, and take the scenes in."""
    written = write_series(CHAPTERS[0], size, dates, folder / "scenes")
    with running_service(folder, Console(file=sys.stderr)) as url:
        client = Client(url)
        try:
            scenes = [client.upload(scene, lambda _: None) for scene in written.scenes]
            client.wait_for_scenes(scenes, lambda: None)
            inputs = {"aoi": written.aoi, "period": written.period, "model": "burned-area"}
            yield Served(url, client, scenes, inputs)
        finally:
            client.close()
