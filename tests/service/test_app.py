from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import structlog
from fastapi import FastAPI

from models.card import read_card
from models.registry import SHIPPED
from service.problems import TABLE
from tests.service.conftest import NO_BROKER, serving
from workers.settings import Settings
from workers.store import open_store

EVERY_ROUTE = """
import asyncio, json, sys
from pathlib import Path
import httpx
from service.app import create_app
from workers.database import migrate
from workers.settings import Settings

settings = Settings(data_dir=Path(sys.argv[1]), broker_url=sys.argv[2])
migrate(settings.database)
app = create_app(settings)
heavy = ("torch", "onnxruntime", "rasterio", "osgeo", "matplotlib", "xarray")
at_start = [name for name in heavy if name in sys.modules]
paths = [path for path, methods in app.openapi()["paths"].items() if "get" in methods]

async def ask():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
        names = {"process_id": "segment", "model_id": "burned-area", "collection_id": "scenes"}
        names |= dict.fromkeys(("job_id", "scene_id", "name", "key_id", "item_id"), "x")
        names |= {"z": 1, "x": 1, "y": 1}
        return {path: (await http.get(path.format(**names))).status_code for path in paths}

statuses = asyncio.run(ask())
after = [name for name in ("torch", "onnxruntime") if name in sys.modules]
print(json.dumps({"at_start": at_start, "after": after, "statuses": statuses}))
"""


def test_api_imports_no_network_and_no_gdal(tmp_path: Path) -> None:
    command = [sys.executable, "-c", EVERY_ROUTE, str(tmp_path), NO_BROKER]
    found = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=120).stdout.splitlines()[-1])
    assert found["at_start"] == []
    assert found["after"] == []
    assert len(found["statuses"]) >= 13
    assert set(found["statuses"].values()) == {200, 403, 404}
    assert found["statuses"]["/models/{model_id}"] == found["statuses"]["/health"] == 200


def test_health(http: httpx.Client, service_settings: Settings) -> None:
    found = http.get("/health")
    assert found.status_code == 200
    body = found.json()
    assert body["status"] == "degraded"
    assert {name: body[name]["status"] for name in ("database", "broker", "store")} == {
        "database": "ok",
        "broker": "down",
        "store": "ok",
    }
    assert NO_BROKER not in found.text


def test_health_is_503_without_a_database(http: httpx.Client, service_settings: Settings) -> None:
    for path in service_settings.data_dir.glob("chronoseg.db*"):
        path.unlink()
        path.mkdir()
    # Connections that are open go on with the file that is gone; a new server has none.
    from service.app import create_app

    with serving(create_app(service_settings)) as url, httpx.Client(base_url=url, trust_env=False) as new:
        assert new.get("/health").status_code == 503
        listed = new.get("/jobs")
    assert (listed.status_code, listed.headers["retry-after"]) == (503, "5")
    assert listed.json()["title"] == "The database cannot be reached"


def test_landing_page_leads_everywhere(http: httpx.Client) -> None:
    links = http.get("/").json()["links"]
    assert {http.get(link["href"]).status_code for link in links} == {200}


@pytest.mark.parametrize("path", ["/", "/docs", "/jobs/x", "/models/burned-area", "/nowhere"])
def test_browsers_are_told_what_not_to_do(http: httpx.Client, path: str) -> None:
    headers = http.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert ("default-src 'none'" in headers["content-security-policy"]) == (path != "/docs")
    assert "strict-transport-security" not in headers


def test_a_method_that_is_not_there_tells_those_that_are(http: httpx.Client) -> None:
    for path, methods in (("/jobs/x", "DELETE, GET"), ("/scenes", "GET, POST"), ("/scenes/x/assets/y", "GET, HEAD")):
        answer = http.put(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, methods)
        assert answer.headers["content-type"] == "application/problem+json"


def test_openapi_names_each_operation_once(http: httpx.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    ids = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert len(ids) == len(set(ids)) >= 17


def test_models(http: httpx.Client) -> None:
    listed = http.get("/models").json()["models"]
    assert [model["id"] for model in listed] == [
        read_card(path.parent).id for path in sorted(SHIPPED.glob("*/card.json"))
    ]
    card = http.get("/models/burned-area@8").json()
    assert card["bands"] == ["blue", "green", "red", "nir"]
    assert card["stride_px"] >= 1
    assert http.get("/models/lava").status_code == 404


def test_every_error_of_the_table_is_a_problem(app: FastAPI, service_settings: Settings) -> None:
    kinds = list(TABLE)

    @app.get("/raise/{index}")
    def fail(index: int) -> None:
        raise kinds[index]("expected this, got that")

    with serving(app) as url, httpx.Client(base_url=url, trust_env=False) as http:
        for index, kind in enumerate(kinds):
            answer = http.get(f"/raise/{index}")
            status, type_, title = TABLE[kind]
            assert answer.status_code == status, kind
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json() == {
                "type": type_,
                "title": title,
                "status": status,
                "detail": "expected this, got that",
                "instance": f"/raise/{index}",
            }


def test_unknown_errors_tell_nothing_but_a_number(app: FastAPI) -> None:
    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("the password is 1234")

    with structlog.testing.capture_logs() as logs, serving(app) as url:
        answer = httpx.get(f"{url}/broken", trust_env=False)
    assert answer.status_code == 500
    assert "1234" not in answer.text
    assert "Traceback" not in answer.text
    assert logs[0]["request_id"] == answer.json()["request_id"]
    assert "1234" in str(logs[0]["exc_info"])
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("PUT", "/scenes", 405), ("POST", "/health", 405), ("GET", "/jobs?limit=many", 422)],
)
def test_errors_of_the_framework_are_problems(http: httpx.Client, method: str, path: str, status: int) -> None:
    answer = http.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.json()["instance"] == path.split("?", maxsplit=1)[0]


def test_products_come_from_s3_too(tmp_path: Path, s3: tuple[str, str]) -> None:
    from service.app import create_app
    from tests.service.records import add_job, add_product
    from workers.database import migrate
    from workers.records import JobState

    endpoint, bucket = s3
    settings = Settings(
        data_dir=tmp_path, broker_url=NO_BROKER, store_url=f"s3://{bucket}/store", s3_endpoint_url=endpoint
    )
    migrate(settings.database)
    app = create_app(settings)
    (tmp_path / "areas.csv").write_bytes(bytes(range(256)) * 1000)
    add_product(app.state.context, add_job(app.state.context, JobState.SUCCESSFUL), tmp_path / "areas.csv")
    assert open_store(settings).stat("masks/job-1/areas.csv").size == 256_000
    with serving(app) as url, httpx.Client(base_url=url, trust_env=False) as http:
        assert http.get("/health").json()["store"]["status"] == "ok"
        assert http.get("/masks/job-1/areas.csv").content == (tmp_path / "areas.csv").read_bytes()
        part = http.get("/masks/job-1/areas.csv", headers={"Range": "bytes=65-67"})
        assert (part.status_code, part.content) == (206, b"ABC")
        assert http.get("/masks/job-1/areas.csv", headers={"Range": "bytes=256000-"}).status_code == 416
