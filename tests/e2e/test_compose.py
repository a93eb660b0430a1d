"""docker-compose.yml without containers: its commands, with its environment, as processes against real services."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
import rasterio
import yaml

from geo.simulator.bundles import aoi_of, write_bundles
from geo.simulator.series import simulate
from geo.simulator.spec import SeriesSpec
from tests.conftest import free_port, wait_for
from tests.programs import need

pytestmark = pytest.mark.e2e

COMPOSE = Path(__file__).parents[2] / "docker-compose.yml"
PROFILE = ("--profile", "cpu")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """Services of the compose file as the compose tool understands it: variables filled in, anchors merged."""
    shown = subprocess.run(
        [need("docker-compose"), *PROFILE, "--file", str(COMPOSE), "config"], capture_output=True, check=False
    )
    assert shown.returncode == 0, shown.stderr.decode()
    services: dict[str, Any] = yaml.safe_load(shown.stdout)["services"]
    return services


def test_every_service_is_healthy_limited_and_no_root(services: dict[str, Any]) -> None:
    assert set(services) == {"api", "worker-io", "worker-gpu", "worker-cpu", "redis", "postgres", "s3"}
    for name, service in services.items():
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}, name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "/tmp" in service["tmpfs"], name  # noqa: S108
        if name.startswith("worker"):
            assert service["depends_on"] == {"api": {"condition": "service_healthy"}}, name
        else:
            assert service["healthcheck"]["test"][0] == "CMD", name
        if "build" in service:
            context = Path(service["build"]["context"])
            dockerfile = (context / service["build"]["dockerfile"]).read_text()
            assert "\nUSER " in dockerfile.partition("useradd")[2] or "USER 10001" in dockerfile, name
        else:
            assert service["user"] not in {"root", "0"}, name
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:8000:8000/tcp"]


def test_a_job_runs_on_what_the_compose_file_says(
    services: dict[str, Any], redis_port: int, postgres_url: str, s3: tuple[str, str], tmp_path: Path
) -> None:
    """Two workers on hosts of their own, told apart by folders; only Redis, Postgres and S3 are shared."""
    port = free_port()
    user = services["postgres"]["environment"]
    login = f"postgresql+psycopg://{user['POSTGRES_USER']}:{user['POSTGRES_PASSWORD']}@postgres:5432/"
    places = {
        login + user["POSTGRES_DB"]: postgres_url.replace("postgresql://", "postgresql+psycopg://"),
        "redis://redis:6379": f"redis://127.0.0.1:{redis_port}",
        "http://s3:8333": s3[0],
        "0.0.0.0": "127.0.0.1",  # noqa: S104
    }
    with ExitStack() as stack:
        hosts = {"api": {"8000": str(port)}, "worker-io": {}, "worker-cpu": {}}
        logs = {}
        for name, arguments in hosts.items():
            logs[name] = stack.enter_context(_service(services[name], tmp_path / name, places | arguments))
            if name == "api":
                _wait_until_healthy(port, logs[name])
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=90, trust_env=False) as client:
            products = _run_job(client, tmp_path, logs)
            mask = next(name for name in products if name.startswith("mask_") and name.endswith(".tif"))
            with rasterio.open(f"/vsicurl/http://127.0.0.1:{port}/masks/{products[mask]}/{mask}") as dataset:
                assert dataset.nodata == 255
                assert set(dataset.read(1).ravel().tolist()) <= {0, 1, 255}
    for name in hosts:
        kept = [path for path in (tmp_path / name / "var").rglob("*") if path.is_file()]
        assert kept == [], f"{name} leaves files on its host"


@contextmanager
def _service(service: dict[str, Any], home: Path, places: dict[str, str]) -> Iterator[Path]:
    """Run a service's command in a folder that stands for its container."""

    def here(text: str) -> str:
        for there, local in places.items():
            text = text.replace(there, local)
        return text.replace("/var/lib/chronoseg", str(home / "var"))

    (home / "var").mkdir(parents=True)
    program, *arguments = [places.get(part, part) for part in service["command"]]
    assert program == "chronoseg"
    environment = {name: here(str(value)) for name, value in service["environment"].items()}
    assert not [value for value in environment.values() if "postgres:5432" in value or "redis:6379" in value]
    quick = {"CHRONOSEG_SWEEP_S": "0.5", "CHRONOSEG_BLOCK_PX": "128", "CHRONOSEG_THREADS": "1"}
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    log = home / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "service.cli.main", *arguments],
            env=kept | environment | quick, cwd=home / "var", stdout=output, stderr=output,
        )  # fmt: skip
    try:
        yield log
        assert process.poll() is None, log.read_text()
    finally:
        process.terminate()
        assert process.wait(30) is not None


def _wait_until_healthy(port: int, log: Path) -> None:
    def healthy() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/health", timeout=5, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    wait_for(healthy, f"the API is healthy: {log}", 60)


def _run_job(client: httpx.Client, folder: Path, logs: dict[str, Path]) -> dict[str, str]:
    """Upload a small series, run a job over it, and return product name -> job id."""
    series = simulate(SeriesSpec(theme="burned-area", height=200, width=200, dates=3, start=date(2021, 7, 1)), 41)
    for bundle in write_bundles(series, folder / "bundles", scenes_per_date=1):
        parts = {"image": bundle.image, "udm2": bundle.udm2, "metadata": bundle.metadata_json}
        files = {role: (path.name, path.read_bytes()) for role, path in parts.items()}
        answer = client.post("/scenes", files=files, headers={"Prefer": "wait=60"})
        assert answer.status_code == 201, answer.text
    inputs = {"aoi": aoi_of(series), "period": "2021-06-01/2021-12-31", "model": "burned-area"}
    answer = client.post("/processes/segment/execution", json={"inputs": inputs})
    assert answer.status_code == 201, answer.text
    job = answer.json()["jobID"]

    def over() -> bool:
        return client.get(f"/jobs/{job}").json()["status"] not in {"accepted", "running"}

    wait_for(over, f"the job ends; logs: {[str(log) for log in logs.values()]}", 180)
    status = client.get(f"/jobs/{job}").json()
    assert status["status"] == "successful", json.dumps(status) + logs["worker-cpu"].read_text()[-2000:]
    results = client.get(f"/jobs/{job}/results").json()
    names = {Path(result["href"]).name for result in results.values()}
    assert {"change_date.tif", "confidence.tif", "polygons.geojson", "polygons.gpkg", "areas.csv"} <= names
    return dict.fromkeys(names, job)
