from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.card import read_card
from models.registry import SHIPPED
from service.app import create_app
from service.context import Context
from service.processes import parse_period
from tests.conftest import wait_for
from tests.service.conftest import serving
from tests.service.records import add_job, add_product, change_job
from workers.database import close_database, migrate
from workers.records import JobRecord, JobState
from workers.settings import Settings

EXECUTE = "/processes/segment/execution"
SQUARE = {"type": "Polygon", "coordinates": [[[10, 50], [10.1, 50], [10.1, 50.1], [10, 50.1], [10, 50]]]}
INPUTS: dict[str, Any] = {"aoi": SQUARE, "period": "2020-07-01/2020-10-31", "model": "burned-area"}
NO_EXTENT = {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 0], [0, 0]]]}
SWAPPED = {"type": "Polygon", "coordinates": [[[50, 110], [50, 111], [51, 111], [50, 110]]]}
LARGE = {"type": "Polygon", "coordinates": [[[0, 0], [40, 0], [40, 40], [0, 40], [0, 0]]]}


def run(http: httpx.Client, **changes: Any) -> httpx.Response:
    inputs = {name: value for name, value in (INPUTS | changes).items() if value is not None}
    return http.post(EXECUTE, json={"inputs": inputs})


def test_execution(http: httpx.Client, parts: Context) -> None:
    answer = run(http, period="2020-07-01/..", min_area_ha=0.5)
    assert answer.status_code == 201
    info = answer.json()
    assert (info["status"], info["progress"], info["processID"], info["type"]) == ("accepted", 0, "segment", "process")
    assert answer.headers["location"].endswith(f"/jobs/{info['jobID']}")
    assert http.get(answer.headers["location"]).json() == info
    with parts.sessions() as session:
        inputs = session.get_one(JobRecord, info["jobID"]).inputs
    assert inputs == {
        "aoi": SQUARE,
        "start": "2020-07-01",
        "end": "",
        "model": "burned-area@8",
        "date_by": "day",
        "min_area_ha": 0.5,
        "simplify_px": 1.0,
        "tta": False,
        "notes": [],
    }


def test_what_was_repaired_is_told(http: httpx.Client) -> None:
    bow_tie = {"type": "Polygon", "coordinates": [[[10, 50], [10.1, 50.1], [10.1, 50], [10, 50.1], [10, 50]]]}
    info = run(http, aoi=bow_tie).json()
    assert "repaired" in info["notes"][0]
    assert http.get(f"/jobs/{info['jobID']}").json()["notes"] == info["notes"]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"model": "lava"}, "burned-area@8"),
        ({"model": "mask-rcnn", "tta": True}, "leave tta out"),
        ({"tta": 2}, "#/inputs/tta"),
        ({"model": None}, "#/inputs/model"),
        ({"aoi": None}, "#/inputs/aoi"),
        ({"aoi": {"type": "Point", "coordinates": [0, 0]}}, "Point"),
        ({"aoi": NO_EXTENT}, "area"),
        ({"aoi": SWAPPED}, "latitude"),
        ({"aoi": LARGE}, "km2"),
        ({"aoi": {}}, "area of interest"),
        ({"period": "summer"}, "2020-07-01/2020-10-31"),
        ({"period": "2020-10-31/2020-07-01"}, "ends before"),
        ({"period": "2020-01-01/2020-02-01/2020-03-01"}, "start/end"),
        ({"date_by": "week"}, "#/inputs/date_by"),
        ({"min_area_ha": -1}, "#/inputs/min_area_ha"),
        ({"simplify_px": "NaN"}, "#/inputs/simplify_px"),
        ({"colour": "red"}, "#/inputs/colour"),
    ],
)
def test_inputs_that_are_refused(http: httpx.Client, changes: dict[str, Any], word: str) -> None:
    answer = run(http, **changes)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert word in answer.json()["detail"]
    assert http.get("/jobs").json()["jobs"] == []


def test_bodies_that_are_refused(http: httpx.Client) -> None:
    assert http.post(EXECUTE, content="{", headers={"Content-Type": "application/json"}).status_code == 400
    assert http.post(EXECUTE, content="{}").status_code == 415
    assert http.post(EXECUTE, json={}).status_code == 422
    large = http.post(EXECUTE, json={"inputs": {"aoi": "x" * 17_000_000}})
    assert (large.status_code, large.headers["content-type"]) == (413, "application/problem+json")
    unknown = http.post("/processes/paint/execution", json={"inputs": INPUTS})
    assert (unknown.status_code, unknown.json()["type"].rsplit("/", 1)[-1]) == (404, "no-such-process")


def test_periods() -> None:
    first, last = parse_period("2020-07-01T23:30:00-02:00/2020-07-05T00:00:00Z")
    assert (str(first), str(last)) == ("2020-07-02", "2020-07-05")
    assert parse_period("../..") == (None, None)
    assert parse_period("2020-07-01") == (first and first.replace(day=1), first and first.replace(day=1))
    for wrong in ("0001-01-01/..", "2020-13-01", "9999-12-31T23:00:00-05:00", "a/b/c"):
        with pytest.raises(ValueError, match="expected"):
            parse_period(wrong)


def test_description(http: httpx.Client) -> None:
    found = http.get("/processes/segment").json()
    assert found["inputs"]["model"]["schema"]["examples"] == [
        read_card(path.parent).id for path in sorted(SHIPPED.glob("*/card.json"))
    ]
    assert {name for name, part in found["inputs"].items() if part["minOccurs"]} == {"aoi", "model"}
    assert [p["id"] for p in http.get("/processes").json()["processes"]] == ["segment"]
    assert http.get("/processes/paint").status_code == 404


@pytest.mark.parametrize(
    ("state", "done", "status", "progress"),
    [
        (JobState.ACCEPTED, 0, "accepted", 0),
        (JobState.SEGMENTING, 0, "running", 1),
        (JobState.SEGMENTING, 2, "running", 48),
        (JobState.SEGMENTING, 4, "running", 95),
        (JobState.ASSEMBLING, 4, "running", 95),
        (JobState.SUCCESSFUL, 4, "successful", 100),
        (JobState.FAILED, 2, "failed", 48),
        (JobState.DISMISSED, 2, "dismissed", 48),
    ],
)
def test_status(http: httpx.Client, parts: Context, state: JobState, done: int, status: str, progress: int) -> None:
    add_job(parts, state, blocks_total=0 if state == JobState.ACCEPTED else 4, blocks_done=done)
    info = http.get("/jobs/job-1").json()
    assert (info["status"], info["progress"]) == (status, progress)
    assert info["message"]
    assert any(link["rel"].endswith("/results") for link in info["links"]) == (status == "successful")


def test_results(http: httpx.Client, parts: Context, tmp_path: Path) -> None:
    (tmp_path / "areas.csv").write_text("label\n")
    add_product(parts, add_job(parts, JobState.SUCCESSFUL), tmp_path / "areas.csv")
    found = http.get("/jobs/job-1/results").json()
    assert found["areas.csv"]["type"].startswith("text/csv")
    assert http.get(found["areas.csv"]["href"]).text == "label\n"


@pytest.mark.parametrize(
    ("state", "status", "kind"),
    [
        (JobState.ACCEPTED, 404, "result-not-ready"),
        (JobState.ASSEMBLING, 404, "result-not-ready"),
        (JobState.FAILED, 422, "job-failed"),
        (JobState.DISMISSED, 410, "job-dismissed"),
    ],
)
def test_results_that_are_not_there(
    http: httpx.Client, parts: Context, state: JobState, status: int, kind: str
) -> None:
    add_job(parts, state, message="no scene fits")
    answer = http.get("/jobs/job-1/results")
    assert answer.status_code == status
    assert answer.json()["type"].endswith(kind)
    if state == JobState.FAILED:
        assert answer.json()["detail"] == "no scene fits"


def test_dismiss(http: httpx.Client, parts: Context) -> None:
    add_job(parts, JobState.SEGMENTING, blocks_total=4)
    assert http.delete("/jobs/job-1").json()["status"] == "dismissed"
    assert http.delete("/jobs/job-1").json()["status"] == "dismissed"
    assert http.get("/jobs/job-1").json()["status"] == "dismissed"
    assert http.delete("/jobs/nobody").status_code == 404


def test_list(http: httpx.Client, parts: Context) -> None:
    for number in range(3):
        add_job(parts, job_id=f"job-{number}")
    add_job(parts, job_id="theirs", owner="somebody")
    first = http.get("/jobs?limit=2").json()
    assert [job["jobID"] for job in first["jobs"]] == ["job-2", "job-1"]
    following = next(link["href"] for link in first["links"] if link["rel"] == "next")
    assert [job["jobID"] for job in http.get(following).json()["jobs"]] == ["job-0"]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("type=process&processID=segment", {"waiting", "running", "quick", "slow"}),
        ("processID=paint", set()),
        ("type=other", set()),
        ("status=successful", {"quick"}),
        ("status=running,failed", {"running", "slow"}),
        ("datetime=2020-08-02T00:00:00Z/..", {"running", "slow"}),
        ("datetime=2020-08-01T00:00:00Z", {"quick"}),
        ("minDuration=60", {"running", "slow"}),
        ("maxDuration=60", {"quick"}),
        ("minDuration=10&maxDuration=4000", {"slow", "quick"}),
    ],
)
def test_list_of_jobs_that_fit(filtered: httpx.Client, query: str, wanted: set[str]) -> None:
    answer = filtered.get(f"/jobs?{query}")
    assert answer.status_code == 200, answer.text
    assert {job["jobID"] for job in answer.json()["jobs"]} == wanted


@pytest.mark.parametrize("query", ["status=lost", "datetime=yesterday"])
def test_lists_that_are_refused(http: httpx.Client, query: str) -> None:
    assert http.get(f"/jobs?{query}").status_code == 400


@pytest.fixture(params=["sqlite", "postgres"])
def filtered(request: pytest.FixtureRequest, service_settings: Settings) -> Iterator[httpx.Client]:
    """Jobs of known times, on each kind of database."""
    settings = service_settings
    if request.param == "postgres":
        settings = settings.model_copy(update={"database_url": request.getfixturevalue("postgres_url")})
        migrate(settings.database)
    app = create_app(settings)
    parts: Context = app.state.context
    day = datetime(2020, 8, 1, tzinfo=UTC)
    add_job(parts, job_id="waiting", created=day - timedelta(days=1))
    add_job(parts, JobState.SUCCESSFUL, "quick", created=day, started=day, finished=day + timedelta(seconds=20))
    late = day + timedelta(days=1)
    add_job(parts, JobState.FAILED, "slow", created=late, started=late, finished=late + timedelta(seconds=3600))
    add_job(parts, JobState.SEGMENTING, "running", created=late, started=late)
    with serving(app) as url, httpx.Client(base_url=url, trust_env=False) as made:
        yield made
    close_database(parts.sessions)


Events = list[tuple[str, dict[str, Any]]]


def events(http: httpx.Client, last_id: str = "", found: Events | None = None) -> Events:
    """Return the events of the job, ids and statuses; `found` takes each as it comes."""
    found, number = [] if found is None else found, ""
    with http.stream("GET", "/jobs/job-1/events", headers={"Last-Event-ID": last_id}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                number = value
            elif name == "data":
                found.append((number, json.loads(value)))
    return found


def test_events_follow_the_job_to_its_end(http: httpx.Client, parts: Context) -> None:
    add_job(parts)
    found: Events = []

    def change(seen: int, **values: Any) -> None:
        wait_for(lambda: len(found) > seen, "the client has seen what was before")
        change_job(parts, "job-1", **values)

    def work() -> None:
        change(0, state=JobState.SEGMENTING, blocks_total=2)
        change(1, blocks_done=1)
        change(2, state=JobState.SUCCESSFUL, blocks_done=2)

    worker = threading.Thread(target=work)
    worker.start()
    events(http, found=found)
    worker.join()
    assert [info["progress"] for _, info in found] == [0, 1, 48, 100]
    assert [info["status"] for _, info in found] == ["accepted", "running", "running", "successful"]
    assert len({number for number, _ in found}) == 4
    assert events(http, last_id=found[2][0]) == [found[3]]
    seen_all = http.get("/jobs/job-1/events", headers={"Last-Event-ID": found[3][0]})
    assert seen_all.status_code == 204


def test_events_of_no_job(http: httpx.Client) -> None:
    assert http.get("/jobs/nobody/events").status_code == 404
