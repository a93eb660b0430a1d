"""`chronoseg serve` as a user meets it: started, used, interrupted, killed, started again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
import rasterio

from tests.conftest import wait_for
from tests.receivers import receiving

pytestmark = pytest.mark.e2e
CHRONOSEG = [sys.executable, "-m", "service.cli.main"]
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("CHRONOSEG_")},
    "CHRONOSEG_THREADS": "1",
    "CHRONOSEG_LEASE_S": "3",
    "CHRONOSEG_SWEEP_S": "0.5",
}


@contextmanager
def serve(data: Path, **settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `chronoseg serve` on a free port, with more settings; it is killed if it still runs afterwards."""
    command = [*CHRONOSEG, "serve", "--port", "0", "--data-dir", str(data)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT | settings
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert "ready at http" in line, line + process.stdout.read()
            yield process, line.split()[-1]
        finally:
            process.kill()


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the children and theirs."""
    return list(psutil.Process(process.pid).children(recursive=True))


def all_gone(processes: list[psutil.Process]) -> bool:
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


def child(processes: list[psutil.Process], *words: str) -> psutil.Process:
    return next(p for p in processes if all(word in p.cmdline() for word in words))


def simulate(folder: Path) -> None:
    command = [*CHRONOSEG, "simulate", str(folder), "--size", "160", "--dates", "2", "--seed", "20005"]
    subprocess.run(command, check=True, env=ENVIRONMENT, capture_output=True)


def upload_all(url: str, folder: Path) -> list[str]:
    """Upload every scene, and return their addresses once they are ready."""
    addresses = []
    for image in sorted(folder.glob("*_SR.tif")):
        stem = image.name.removesuffix("_3B_AnalyticMS_SR.tif")
        files = {
            "image": (image.name, image.read_bytes()),
            "udm2": (f"{stem}_3B_udm2.tif", (folder / f"{stem}_3B_udm2.tif").read_bytes()),
            "metadata": (f"{stem}_metadata.json", (folder / f"{stem}_metadata.json").read_bytes()),
        }
        answer = httpx.post(f"{url}/scenes", files=files, headers={"Prefer": "wait=60"}, timeout=90, trust_env=False)
        assert (answer.status_code, answer.json()["state"]) == (201, "ready"), answer.text
        addresses.append(answer.headers["location"])
    return addresses


def start_job(url: str, folder: Path, model: str = "burned-area", **more: Any) -> str:
    inputs = {"aoi": json.loads((folder / "aoi.geojson").read_text()), "model": model}
    body = {"inputs": inputs, **more}
    answer = httpx.post(f"{url}/processes/segment/execution", json=body, timeout=60, trust_env=False)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


def get(address: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(address, timeout=60, trust_env=False).raise_for_status().json()
    return found


def end_of(job: str) -> dict[str, Any]:
    wait_for(lambda: get(job)["status"] not in {"accepted", "running"}, f"{job} ends", 240)
    return get(job)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    simulate(folder)
    return folder


def test_a_job_from_upload_to_mask_and_a_clean_end(tmp_path: Path, scenes: Path) -> None:
    with serve(tmp_path / "data") as (process, url):
        assert len(upload_all(url, scenes)) == 4
        job = start_job(url, scenes)
        ended = end_of(job)
        assert ended["status"] == "successful", ended
        results = get(f"{job}/results")
        dates = sorted(path.stem.removeprefix("truth_") for path in (scenes / "truth").glob("truth_2*.tif"))
        assert {f"mask_{date}.tif" for date in dates} <= set(results)
        assert {"change_date.tif", "confidence.tif", "polygons.geojson", "polygons.gpkg", "areas.csv"} <= set(results)
        (tmp_path / "mask.tif").write_bytes(httpx.get(results[f"mask_{dates[0]}.tif"]["href"], trust_env=False).content)
        with rasterio.open(tmp_path / "mask.tif") as mask:
            assert (mask.nodata, mask.dtypes[0], mask.crs.to_epsg()) == (255, "uint8", 32720)
        children = family(process)
        assert len(children) >= 4
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert all_gone(children)
        assert process.stdout is not None
        assert process.stdout.read().splitlines()[-1] == "stopped"


def test_a_receiver_learns_of_a_job_although_it_was_away_and_the_service_was_killed(
    tmp_path: Path, scenes: Path
) -> None:
    with receiving() as receiver:
        hosts = {"CHRONOSEG_PRIVATE_HOSTS": f"127.0.0.1:{receiver.port}"}
        receiver.answers = [503]
        with serve(tmp_path / "data", **hosts) as (process, url):
            upload_all(url, scenes)
            job = start_job(url, scenes, subscriber={"successUri": receiver.url("/well")})
            wait_for(lambda: len(receiver.got) == 1, "the job's end is told", 240)
            results = get(f"{job}/results")
            children = family(process)
            process.kill()
        wait_for(lambda: all_gone(children), "all its processes are gone")
        with serve(tmp_path / "data", **hosts):
            wait_for(lambda: len(receiver.got) == 2, "it is told again", 60)
    (_, first, body), (_, second, repeated) = receiver.got
    assert json.loads(body) == json.loads(repeated) == results
    assert first["webhook-id"] == second["webhook-id"]
    assert first["chronoseg-job"] == job


def test_every_shipped_network_runs_a_job(tmp_path: Path, scenes: Path) -> None:
    """Whatever the family and the tiling: a mask per date with the card's classes, and what the change is made of."""
    with serve(tmp_path / "data") as (_, url):
        upload_all(url, scenes)
        cards = get(f"{url}/models")["models"]
        assert {"burned-area@8", "tree-cover@6", "unet@1"} <= {card["id"] for card in cards}
        jobs = {card["id"]: start_job(url, scenes, card["id"]) for card in cards}
        for card in cards:
            ended = end_of(jobs[card["id"]])
            assert ended["status"] == "successful", (card["id"], ended)
            results = get(f"{jobs[card['id']]}/results")
            masks = [name for name in results if name.startswith("mask_") and name.endswith(".tif")]
            assert len(masks) == 2
            assert {"change_date.tif", "confidence.tif", "polygons.geojson", "areas.csv"} <= set(results)
            (tmp_path / "mask.tif").write_bytes(httpx.get(results[masks[1]]["href"], trust_env=False).content)
            with rasterio.open(tmp_path / "mask.tif") as mask:
                values = set(np.unique(mask.read()).tolist())
            assert len(values - {255}) >= 1
            assert values <= {255, *(kind["id"] for kind in card["classes"])}


def test_sigkill_leaves_no_orphans_and_the_job_goes_on(tmp_path: Path, scenes: Path) -> None:
    data = tmp_path / "data"
    with serve(data) as (process, url):
        upload_all(url, scenes)
        job = start_job(url, scenes).rsplit("/", 1)[-1]
        children = family(process)
        process.kill()
        process.wait(10)
        wait_for(lambda: all_gone(children), "every child ends with its parent", 20)
    with serve(data) as (process, url):
        assert end_of(f"{url}/jobs/{job}")["status"] == "successful"
        process.terminate()
        assert process.wait(30) == 0


def test_children_that_die_are_started_again(tmp_path: Path) -> None:
    with serve(tmp_path / "data") as (process, url):
        for words in (("worker", "io"), ("api",)):
            old = child(family(process), *words)
            old.kill()
            wait_for(
                lambda old=old, words=words: any(  # type: ignore[misc] # bound at once
                    p.pid != old.pid and all(word in p.cmdline() for word in words) for p in family(process)
                ),
                f"{words} comes back",
            )
        wait_for(lambda: httpx.get(f"{url}/health", timeout=30, trust_env=False).is_success, "the API is well again")
        redis = next(p for p in family(process) if "redis-server" in p.name())
        redis.kill()
        wait_for(lambda: get(f"{url}/health")["status"] == "ok", "Redis comes back")


def refused(*arguments: str) -> str:
    """Run a command that is to fail; returns its one line."""
    ended = subprocess.run(
        [*CHRONOSEG, *arguments], capture_output=True, text=True, env=ENVIRONMENT, timeout=60, check=False
    )
    assert ended.returncode == 1, ended.stdout
    lines = ended.stderr.splitlines()
    assert len(lines) == 1, ended.stderr
    return lines[0]


def test_what_serve_refuses(tmp_path: Path) -> None:
    with serve(tmp_path / "data") as (process, url):
        again = refused("serve", "--port", "0", "--data-dir", str(tmp_path / "data"))
        assert f"by process {process.pid} at {url}" in again
        port = url.rsplit(":", 1)[-1]
        assert f"port {port}" in refused("serve", "--port", port, "--data-dir", str(tmp_path / "other"))
        assert f"port {port}" in refused("api", "--port", port)
    (tmp_path / "file").touch()
    assert "--data-dir" in refused("serve", "--port", "0", "--data-dir", str(tmp_path / "file"))


def test_uploads_take_no_memory(tmp_path: Path) -> None:
    """The API's peak memory grows by a few megabytes while 600 MB go through it, in a form and raw."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**ENVIRONMENT, "CHRONOSEG_DATA_DIR": str(tmp_path), "CHRONOSEG_BROKER_URL": "redis://127.0.0.1:1/0"}
    with subprocess.Popen([*CHRONOSEG, "api", "--port", str(port)], env=environment, stdout=subprocess.DEVNULL) as api:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(lambda: answers(url), "the API answers")
            with httpx.Client(base_url=url, timeout=120, trust_env=False) as http:
                http.post("/scenes", content=b"small", headers={"Content-Type": "image/tiff"}).raise_for_status()
                before = peak_mb(api.pid)
                raw = http.post("/scenes", content=megabytes(300), headers={"Content-Type": "image/tiff"})
                head = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.tif"\r\n\r\n'
                form = http.post(
                    "/scenes",
                    content=(part for parts in ((head,), megabytes(300), (b"\r\n--x--\r\n",)) for part in parts),
                    headers={"Content-Type": "multipart/form-data; boundary=x"},
                )
                assert (raw.status_code, form.status_code) == (201, 200)  # the same bytes
            assert peak_mb(api.pid) - before < 40
        finally:
            api.terminate()
            api.wait(20)


def megabytes(count: int) -> Iterator[bytes]:
    block = bytes(range(256)) * 4096
    for _ in range(count):
        yield block


def peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False
