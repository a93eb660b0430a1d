"""Pages of other sites: who is named may read and write, with keys and without; others see nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from service.app import create_app
from service.cors import SENT, SHOWN
from service.identity import SCHEMES
from tests.service.conftest import serving
from tests.service.records import add_job, add_product, write_raster
from workers.database import writing
from workers.keys import create_key
from workers.records import JobState
from workers.settings import Settings

HERE = "https://maps.example"
OTHER = "https://evil.example"


@pytest.fixture
def named(service_settings: Settings, tmp_path: Path) -> Iterator[httpx.Client]:
    """A service that names an origin, with a product and without keys."""
    settings = service_settings.model_copy(update={"cors_origins": (HERE, "http://127.0.0.1:5173")})
    app = create_app(settings)
    write_raster(tmp_path / "mask_20200801.tif")
    add_product(app.state.context, add_job(app.state.context, JobState.SUCCESSFUL), tmp_path / "mask_20200801.tif")
    with serving(app) as url, httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        client.app = app  # type: ignore[attr-defined] # for the test that makes keys
        yield client


def preflight(client: httpx.Client, origin: str, method: str, path: str, *headers: str) -> httpx.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    return client.options(path, headers={**asked, "Access-Control-Request-Headers": ", ".join(headers)})


def test_a_named_origin_reads_ranges_and_their_headers(named: httpx.Client) -> None:
    asked = preflight(named, HERE, "GET", "/masks/job-1/mask_20200801.tif", "range", "authorization", "if-none-match")
    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, HERE)
    answer = named.get("/masks/job-1/mask_20200801.tif", headers={"Origin": HERE, "Range": "bytes=0-9"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (206, HERE)
    assert "Origin" in answer.headers["vary"]
    assert {"ETag", "Content-Range", "Location", "Upload-Offset"} <= set(SHOWN)
    assert answer.headers["access-control-expose-headers"] == ", ".join(SHOWN)
    assert "access-control-allow-credentials" not in answer.headers


def test_refusals_can_be_read_too(named: httpx.Client) -> None:
    answer = named.get("/jobs/nobody", headers={"Origin": HERE})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (404, HERE)
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_named_origin_uploads_in_pieces_without_keys(named: httpx.Client) -> None:
    tus = ("tus-resumable", "upload-length", "upload-metadata", "upload-offset", "upload-checksum", "content-type")
    for method, path in (
        ("POST", "/uploads"),
        ("PATCH", "/uploads/x"),
        ("DELETE", "/uploads/x"),
        ("HEAD", "/uploads/x"),
    ):
        assert preflight(named, HERE, method, path, *tus).status_code == 200
    headers = {"Origin": HERE, "Tus-Resumable": "1.0.0"}
    made = named.post("/uploads", headers={**headers, "Upload-Length": "9"})
    assert made.status_code == 201
    piece = {**headers, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    sent = named.patch(made.headers["location"], content=b"12345", headers=piece)
    assert (sent.status_code, sent.headers["upload-offset"]) == (204, "5")
    assert sent.headers["access-control-allow-origin"] == HERE


def test_options_of_tus_stays_what_it_is(named: httpx.Client) -> None:
    answer = named.options("/uploads", headers={"Origin": HERE})
    assert (answer.status_code, answer.headers["tus-version"]) == (204, "1.0.0")


@pytest.mark.parametrize("origin", [OTHER, "null", "https://maps.example.evil.example", "http://maps.example"])
def test_others_get_no_permission_and_change_nothing(named: httpx.Client, origin: str) -> None:
    assert preflight(named, origin, "POST", "/uploads").status_code == 400
    answer = named.get("/jobs", headers={"Origin": origin})
    assert "access-control-allow-origin" not in answer.headers
    refused = named.delete("/jobs/job-1", headers={"Origin": origin})
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:chronoseg:problem:origin-refused")
    assert named.get("/jobs/job-1").json()["status"] == "successful"


def test_a_named_origin_needs_a_key_where_there_are_keys(named: httpx.Client) -> None:
    with writing(named.app.state.context.sessions) as session:  # type: ignore[attr-defined] # set by the fixture
        _, key = create_key(session, "ana", ["write"])
    answer = named.get("/jobs", headers={"Origin": HERE})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (401, HERE)
    assert named.get("/jobs", headers={"Origin": HERE, "Authorization": f"Bearer {key}"}).status_code == 200


def test_a_page_may_send_every_header_by_which_a_key_comes() -> None:
    assert {"Authorization", SCHEMES["header"]["name"]} <= set(SENT)


def test_a_page_may_use_every_method_and_send_every_header_of_our_routes(named: httpx.Client) -> None:
    document = named.get("/openapi.json").json()
    operations = [
        (method.upper(), operation.get("parameters", []))
        for path in document["paths"].values()
        for method, operation in path.items()
    ]
    headers = {one["name"].lower() for _, parameters in operations for one in parameters if one["in"] == "header"}
    assert {"PUT", "PATCH"} <= {method for method, _ in operations}
    assert {"idempotency-key", "last-event-id"} <= headers
    for method in {method for method, _ in operations}:
        assert preflight(named, HERE, method, "/collections/scenes/items/a", *headers).status_code == 200, method


def test_without_named_origins_nobody_has_permission(http: httpx.Client) -> None:
    assert "access-control-allow-origin" not in http.get("/jobs", headers={"Origin": HERE}).headers
    assert preflight(http, HERE, "POST", "/jobs").status_code == 405


def test_origins_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHRONOSEG_CORS_ORIGINS", "https://maps.example, http://127.0.0.1:5173 http://[::1]:80")
    assert Settings().cors_origins == ("https://maps.example", "http://127.0.0.1:5173", "http://[::1]:80")
    monkeypatch.setenv("CHRONOSEG_CORS_ORIGINS", "")
    assert Settings().cors_origins == ()
    for wrong in ("*", "maps.example", "https://maps.example/", "https://*.example", "https://Maps.example", "null"):
        monkeypatch.setenv("CHRONOSEG_CORS_ORIGINS", wrong)
        with pytest.raises(ValidationError, match="expected origins as a browser sends them"):
            Settings()
