"""OGC API - Processes 1.0, conformance class Core, requirement by requirement."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema
import pytest

from service.app import create_app
from service.context import Context
from tests.receivers import Receiver, receiving
from tests.service.conftest import serving
from tests.service.test_jobs import EXECUTE, INPUTS, SQUARE
from workers.records import JobRecord
from workers.settings import Settings

CONF = "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf"
GEOJSON = "application/geo+json"


def test_landing_conformance_and_list(http: httpx.Client) -> None:
    """/req/core/landingpage-success, conformance-success, process-list-success, pl-limit-definition, pl-links."""
    links = {link["rel"] for link in http.get("/").json()["links"]}
    assert {"service-desc", "conformance", "http://www.opengis.net/def/rel/ogc/1.0/processes"} <= links
    conforms = http.get("/conformance").json()["conformsTo"]
    kinds = ("core", "json", "oas30", "ogc-process-description", "job-list", "callback", "dismiss")
    assert {f"{CONF}/{one}" for one in kinds} <= set(conforms)
    found = http.get("/processes", params={"limit": 1}).json()
    assert [one["id"] for one in found["processes"]] == ["segment"]
    assert "self" in {link["rel"] for link in found["links"]}
    assert http.get("/processes", params={"limit": 0}).status_code == 422


def test_description(http: httpx.Client) -> None:
    """/req/core/process-success; /req/ogc-process-description/inputs-def, outputs-def."""
    found = http.get("/processes/segment").json()
    assert set(found["jobControlOptions"]) == {"async-execute", "dismiss"}
    assert set(found["outputTransmission"]) == {"reference", "value"}
    area = found["inputs"]["aoi"]["schema"]
    jsonschema.Draft202012Validator.check_schema(area)
    feature = {"type": "Feature", "properties": {}, "geometry": SQUARE}
    for fits in (SQUARE, feature, {"type": "FeatureCollection", "features": [feature]}):
        jsonschema.validate(fits, area)
    for wrong in ({"type": "Point", "coordinates": [0, 0]}, {"type": "Polygon"}, {}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, area)


def test_unknown_process_and_job(http: httpx.Client) -> None:
    """/req/core/process-exception-no-such-process, job-exception-no-such-job, job-results-exception-no-such-job."""
    type_ = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/"
    for path, kind in (("/processes/x", "process"), ("/jobs/x", "job"), ("/jobs/x/results", "job")):
        answer = http.get(path)
        assert (answer.status_code, answer.json()["type"]) == (404, f"{type_}no-such-{kind}")


@pytest.mark.parametrize("prefer", [None, "wait=1", "respond-async", "respond-async, wait=10"])
def test_execution_is_asynchronous(http: httpx.Client, prefer: str | None) -> None:
    """/req/core/process-execute-default-execution-mode, -auto-execution-mode, -success-async."""
    answer = http.post(EXECUTE, json={"inputs": INPUTS}, headers={} if prefer is None else {"Prefer": prefer})
    assert answer.status_code == 201
    assert answer.headers["location"].endswith(f"/jobs/{answer.json()['jobID']}")
    applied = answer.headers.get("preference-applied")
    assert applied == ("respond-async" if prefer is not None and "respond-async" in prefer else None)


QUALIFIED: dict[str, Any] = {
    "aoi": {"value": SQUARE, "mediaType": GEOJSON},
    "model": {"value": "burned-area"},
    "period": {"value": "2020-07-01/2020-10-31", "format": {"mediaType": "application/json"}},
}


def test_inputs_come_as_qualified_values(http: httpx.Client, parts: Context) -> None:
    """/req/core/process-execute-input-inline-object, -inline-mixed: what is kept is the same."""
    kept = []
    for inputs in (INPUTS, QUALIFIED, {**INPUTS, "aoi": QUALIFIED["aoi"]}):
        job = http.post(EXECUTE, json={"inputs": inputs}).json()["jobID"]
        with parts.sessions() as session:
            kept.append(session.get_one(JobRecord, job).inputs)
    assert kept[0] == kept[1] == kept[2]
    assert kept[0]["aoi"] == SQUARE


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"aoi": {"value": SQUARE, "mediaType": "application/gml+xml"}}, "inputs.aoi: expected application/json"),
        ({"model": {"value": "burned-area", "encoding": "base64"}}, "inputs.model: expected a JSON value, not encoded"),
        ({"model": {"value": "burned-area", "unit": "m"}}, "inputs.model: a qualified value has"),
        ({"model": {"value": 7}}, "#/inputs/model"),
        ({"other": {"value": 7}}, "#/inputs/other: no such input; there are: aoi, "),
        ({"model": {"href": "https://data.example/model.json"}}, "takes no input by reference"),
        ({"model": {"href": 7}}, "inputs.model.href: expected an address"),
    ],
)
def test_inputs_that_are_refused(http: httpx.Client, inputs: dict[str, Any], said: str) -> None:
    """/req/core/process-execute-input-validation."""
    answer = http.post(EXECUTE, json={"inputs": INPUTS | inputs})
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


@pytest.fixture
def elsewhere(service_settings: Settings) -> Iterator[tuple[httpx.Client, Receiver, Context]]:
    """A service that takes inputs from a server beside it."""
    with receiving() as server:
        settings = server.known_to(service_settings)
        app = create_app(settings.model_copy(update={"reference_sources": (server.url("/areas/"),)}))
        with serving(app) as url, httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
            yield client, server, app.state.context


def test_inputs_come_by_reference(elsewhere: tuple[httpx.Client, Receiver, Context]) -> None:
    """/req/core/process-execute-input-by-ref."""
    http, server, parts = elsewhere
    server.holds["/areas/a.geojson"] = json.dumps(SQUARE).encode()
    area = {"href": server.url("/areas/a.geojson"), "type": GEOJSON}
    body, headers = {"inputs": {**INPUTS, "aoi": area}}, {"Idempotency-Key": "one"}
    answer = http.post(EXECUTE, json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    with parts.sessions() as session:
        assert session.get_one(JobRecord, answer.json()["jobID"]).inputs["aoi"] == SQUARE
    server.holds.clear()
    again = http.post(EXECUTE, json=body, headers=headers)
    assert again.json()["jobID"] == answer.json()["jobID"]  # it is not asked for again


@pytest.mark.parametrize(
    ("path", "held", "said"),
    [
        ("/areas/none.geojson", None, "answers 404; expected 200"),
        ("/areas/a.txt", b"<gml/>", "is not JSON"),
        ("/areas/deep.json", b"[" * 100_000, "is not JSON"),
        ("/areas/large.json", b" " * 16_000_001, "has more than 16000000 bytes"),
        ("/areas/a.json", b"7", "#/inputs/aoi"),
        ("/other/a.json", b"{}", "is not among the sources"),
        ("/areas/../other/a.json", b"{}", "is not among the sources"),
    ],
)
def test_what_lies_elsewhere_and_is_refused(
    elsewhere: tuple[httpx.Client, Receiver, Context], path: str, held: bytes | None, said: str
) -> None:
    http, server, _ = elsewhere
    if held is not None:
        server.holds[path] = held
    answer = http.post(EXECUTE, json={"inputs": {**INPUTS, "aoi": {"href": server.url(path)}}})
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"inputs": {"other": {"href": "https://data.example/a.json"}}},
        {"outputs": {"painting.tif": {}}},
        {"subscriber": {"successUri": "ftp://receiver.example/"}},
    ],
)
def test_nothing_is_fetched_for_what_is_refused_anyway(
    elsewhere: tuple[httpx.Client, Receiver, Context], wrong: dict[str, Any]
) -> None:
    http, server, _ = elsewhere
    area = {"href": server.url("/areas/a.json")}
    body = {**wrong, "inputs": {**INPUTS, "aoi": area, **wrong.get("inputs", {})}}
    answer = http.post(EXECUTE, json=body)
    assert (answer.status_code, server.asked) == (422, [])


def test_an_input_that_drips_is_given_up(
    elsewhere: tuple[httpx.Client, Receiver, Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    http, server, _ = elsewhere
    monkeypatch.setattr("service.inputs.DEADLINE_S", 0.5)
    server.dripping.set()
    answer = http.post(EXECUTE, json={"inputs": {**INPUTS, "aoi": {"href": server.url("/areas/a.json")}}})
    assert (answer.status_code, "took longer than 0.5 s" in answer.json()["detail"]) == (422, True)
