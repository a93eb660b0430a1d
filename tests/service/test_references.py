from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from service.app import create_app
from service.context import Context
from tests.service.conftest import serving
from workers.records import SceneRecord, SceneState
from workers.settings import Settings


@pytest.fixture
def allowing(service_settings: Settings) -> Iterator[tuple[str, Context]]:
    app = create_app(service_settings.model_copy(update={"reference_sources": ("https://data.example.org/scenes/",)}))
    with serving(app) as address:
        yield address, app.state.context


def test_a_reference_is_noted_and_answered_as_a_scene(allowing: tuple[str, Context]) -> None:
    url, parts = allowing
    body = {"image": "https://data.example.org/scenes/a.tif", "scale": 0.0001, "bands": "blue=1,nir=2"}
    answer = httpx.post(f"{url}/scenes", json=body)
    assert answer.status_code == 201, answer.text
    scene = httpx.get(answer.headers["Location"]).json()
    assert scene["state"] == "received"
    with parts.sessions() as session:
        kept = session.get_one(SceneRecord, scene["id"])
    assert kept.state == SceneState.RECEIVED
    assert kept.upload["references"] == {"image": body["image"]}
    assert kept.upload["options"] == {"scale": 0.0001, "bands": {"blue": 1, "nir": 2}}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"image": "https://elsewhere.example.org/a.tif"}, "address-refused"),
        ({"image": "http://169.254.169.254/latest/"}, "address-refused"),
        ({"image": "https://data.example.org/scenes/a.tif", "udm2": "file:///etc/passwd"}, "address-refused"),
        ({"image": "https://data.example.org/scenes/a.tif", "scale": -1}, "inputs-refused"),
        ({"image": "https://data.example.org/scenes/a.tif", "other": 1}, "inputs-refused"),
        ({"udm2": "https://data.example.org/scenes/a.tif"}, "inputs-refused"),
        ([], "inputs-refused"),
    ],
)
def test_references_that_are_refused(allowing: tuple[str, Context], body: object, kind: str) -> None:
    url, parts = allowing
    answer = httpx.post(f"{url}/scenes", json=body)
    assert answer.status_code == 422
    assert answer.json()["type"].endswith(kind)
    with parts.sessions() as session:
        assert session.query(SceneRecord).count() == 0


def test_a_service_without_sources_takes_no_reference(url: str) -> None:
    answer = httpx.post(f"{url}/scenes", json={"image": "https://data.example.org/a.tif"})
    assert answer.status_code == 422
    assert "upload its file" in answer.json()["detail"]


@pytest.mark.parametrize("source", ["data.example.org", "ftp://data.example.org/", "https://a/?b", "s3://"])
def test_sources_that_mean_nothing_are_refused_at_the_start(source: str) -> None:
    with pytest.raises(ValueError, match="URL prefixes"):
        Settings(reference_sources=(source,))


def test_sources_come_with_commas_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHRONOSEG_REFERENCE_SOURCES", "https://data.example.org/a/, s3://bucket/b/")
    monkeypatch.setenv("CHRONOSEG_PRIVATE_HOSTS", "minio:9000")
    settings = Settings()
    assert settings.reference_sources == ("https://data.example.org/a/", "s3://bucket/b/")
    assert settings.private_hosts == ("minio:9000",)
