"""Results of a job as its execution asked for them: OGC API - Processes 1.0, requirement by requirement."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.context import Context
from tests.service.made import add_made_job, assembled
from tests.service.records import change_job
from tests.service.test_jobs import EXECUTE, INPUTS
from workers.database import writing
from workers.records import JobRecord, JobState
from workers.results import output_of

GEOJSON = "application/geo+json"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return assembled(tmp_path_factory.mktemp("made"))


@pytest.fixture
def files(parts: Context, made: Any) -> dict[str, Path]:
    """The products of `job-1`, which has ended well."""
    add_made_job(parts, *made)
    return {product.name: product.path for product in made[1]}


def want(http: httpx.Client, parts: Context, **asked: Any) -> None:
    """Ask for results as an execution does, and let `job-1` be that execution's job."""
    answer = http.post(EXECUTE, json={"inputs": INPUTS, **asked})
    assert answer.status_code == 201, answer.text
    with writing(parts.sessions) as session:
        wanted = session.get_one(JobRecord, answer.json()["jobID"]).wanted
    change_job(parts, "job-1", wanted=wanted)


def parts_of(answer: httpx.Response) -> list[tuple[dict[str, str], bytes]]:
    """Take a multipart body apart, by its boundary and each part's own length."""
    found = re.search(r"boundary=(\w+)", answer.headers["content-type"])
    assert found is not None
    line, rest, taken = f"--{found[1]}\r\n".encode(), answer.content, []
    while rest.startswith(line):
        head, _, rest = rest.removeprefix(line).partition(b"\r\n\r\n")
        headers = dict(one.split(": ", 1) for one in head.decode().split("\r\n"))
        size = int(headers["Content-Length"])
        taken.append((headers, rest[:size]))
        assert rest[size : size + 2] == b"\r\n"
        rest = rest[size + 2 :]
    assert rest == f"--{found[1]}--\r\n".encode()
    return taken


def test_every_output_that_is_described_is_there(http: httpx.Client, files: dict[str, Path]) -> None:
    described = set(http.get("/processes/segment").json()["outputs"])
    made = {output_of(name) for name in files if not name.endswith((".qml", ".xml"))}
    assert made == {name for name in described if not name.startswith("instances_")}


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ({"painting.tif": {}}, "no output 'painting.tif'; there are: mask_YYYYMMDD.tif"),
        ({"areas.csv": {"format": {"mediaType": "application/json"}}}, "expected the format text/csv"),
        ({"areas.csv": {"transmissionMode": "pigeon"}}, "transmissionMode"),
    ],
)
def test_outputs_that_there_are_not(http: httpx.Client, outputs: dict[str, Any], said: str) -> None:
    answer = http.post(EXECUTE, json={"inputs": INPUTS, "outputs": outputs})
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_without_a_word_the_document_has_every_address(http: httpx.Client, files: dict[str, Path]) -> None:
    """/req/core/process-execute-default-outputs; by reference: decision 014."""
    found = http.get("/jobs/job-1/results").json()
    assert set(found) == set(files)
    assert all(set(one) == {"href", "type", "title"} for one in found.values())


def test_a_document_by_value_holds_the_very_bytes(http: httpx.Client, parts: Context, files: dict[str, Path]) -> None:
    """/req/core/job-results-async-document."""
    outputs = http.get("/processes/segment").json()["outputs"]
    want(http, parts, outputs={name: {"transmissionMode": "value"} for name in outputs}, response="document")
    answer = http.get("/jobs/job-1/results")
    assert answer.headers["content-type"] == "application/json"
    kinds = set()
    for name, told in answer.json().items():
        content = files[name].read_bytes()
        kinds.add((told["mediaType"].split(";")[0], told.get("encoding")))
        if told.get("encoding") == "base64":
            assert base64.b64decode(told["value"]) == content
        elif isinstance(told["value"], str):
            assert told["value"].encode() == content
        else:
            assert told["value"] == json.loads(content)
    assert {("image/tiff", "base64"), (GEOJSON, None), ("text/csv", None)} <= kinds
    assert http.head("/jobs/job-1/results").headers["content-type"] == "application/json"


def test_one_output_raw_is_the_file(http: httpx.Client, parts: Context, files: dict[str, Path]) -> None:
    """/req/core/job-results-async-raw-value-one; in parts, too."""
    want(http, parts, outputs={"polygons.geojson": {}}, response="raw")
    answer = http.get("/jobs/job-1/results")
    assert (answer.status_code, answer.headers["content-type"]) == (200, GEOJSON)
    assert answer.content == files["polygons.geojson"].read_bytes()
    head = http.head("/jobs/job-1/results")
    assert int(head.headers["content-length"]) == len(answer.content)
    assert http.get("/jobs/job-1/results", headers={"Range": "bytes=2-5"}).content == answer.content[2:6]


def test_several_outputs_raw_are_parts(http: httpx.Client, parts: Context, files: dict[str, Path]) -> None:
    """/req/core/job-results-async-raw-value-multi: RFC 2387, each part's Content-ID the output's."""
    want(http, parts, response="raw")
    answer = http.get("/jobs/job-1/results")
    assert answer.headers["content-type"].startswith('multipart/related; type="')
    assert int(answer.headers["content-length"]) == len(answer.content)
    found = {headers["Content-ID"][1:-1]: content for headers, content in parts_of(answer)}
    assert found == {name: path.read_bytes() for name, path in files.items()}
    assert http.head("/jobs/job-1/results").headers["content-length"] == answer.headers["content-length"]


def test_masks_of_all_dates_are_one_output(http: httpx.Client, parts: Context, files: dict[str, Path]) -> None:
    want(http, parts, outputs={"mask_YYYYMMDD.tif": {}}, response="raw")
    found = {headers["Content-ID"][1:-1] for headers, _ in parts_of(http.get("/jobs/job-1/results"))}
    assert found == {name for name in files if re.fullmatch(r"mask_\w+\.tif", name)}
    assert len(found) > 1


def test_raw_by_reference_are_links_alone(http: httpx.Client, parts: Context, files: dict[str, Path]) -> None:
    """/req/core/job-results-async-raw-ref."""
    asked = {name: {"transmissionMode": "reference"} for name in ("areas.csv", "change_date.tif")}
    want(http, parts, outputs=asked, response="raw")
    answer = http.get("/jobs/job-1/results")
    assert (answer.status_code, answer.content) == (204, b"")
    links = re.findall(r'<([^>]+)>; rel="item"; type="([^"]+)"', answer.headers["link"])
    assert [(http.get(href).content, type_.split(";")[0]) for href, type_ in links] == [
        (files["areas.csv"].read_bytes(), "text/csv"),
        (files["change_date.tif"].read_bytes(), "image/tiff"),
    ]


def test_raw_mixed_has_empty_parts_that_say_where(http: httpx.Client, parts: Context, files: dict[str, Path]) -> None:
    """/req/core/job-results-async-raw-mixed-multi."""
    asked = {"areas.csv": {"transmissionMode": "value"}, "change_date.tif": {"transmissionMode": "reference"}}
    want(http, parts, outputs=asked, response="raw")
    (csv, content), (tif, nothing) = parts_of(http.get("/jobs/job-1/results"))
    assert (csv["Content-ID"], content) == ("<areas.csv>", files["areas.csv"].read_bytes())
    assert (tif["Content-ID"], nothing) == ("<change_date.tif>", b"")
    assert http.get(tif["Content-Location"]).content == files["change_date.tif"].read_bytes()


def test_nothing_wanted_is_nothing_sent(http: httpx.Client, parts: Context, files: dict[str, Path]) -> None:
    want(http, parts, outputs={})
    assert http.get("/jobs/job-1/results").status_code == 204


@pytest.mark.usefixtures("files")
def test_a_value_that_is_gone_is_told_before_anything_is_sent(http: httpx.Client, parts: Context) -> None:
    want(http, parts, response="raw")
    parts.store.remove("masks/job-1/areas.csv")
    assert http.get("/jobs/job-1/results").status_code == 404


def test_results_of_what_failed_or_is_not_done(http: httpx.Client, parts: Context, files: dict[str, Path]) -> None:
    """/req/core/job-results-failed, job-results-exception-results-not-ready."""
    change_job(parts, "job-1", state=JobState.SEGMENTING)
    assert http.get("/jobs/job-1/results").json()["type"].endswith("ogcapi-processes-1/1.0/result-not-ready")
    change_job(parts, "job-1", state=JobState.FAILED, message="no scene fits")
    assert http.get("/jobs/job-1/results").json()["detail"] == "no scene fits"
