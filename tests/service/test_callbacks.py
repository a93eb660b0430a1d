"""Callbacks over HTTP: asked for with an execution, refused where nobody is called, and signed by a secret."""

from __future__ import annotations

import json

import httpx
import pytest

from service.app import create_app
from service.context import Context
from tests.receivers import receiving
from tests.service.conftest import serving
from tests.service.records import change_job
from tests.service.test_jobs import EXECUTE, INPUTS
from tests.workers.places import workplace
from workers.courier import deliver
from workers.database import writing
from workers.keys import create_key
from workers.records import JobState
from workers.settings import Settings

HOOK = "https://hooks.example/well"


def ask(http: httpx.Client, **subscriber: object) -> httpx.Response:
    return http.post(EXECUTE, json={"inputs": INPUTS, "subscriber": subscriber})


def test_a_job_calls_back_at_the_address_by_which_its_client_knows_the_service(service_settings: Settings) -> None:
    with receiving() as receiver:
        settings = receiver.known_to(service_settings)
        app = create_app(settings)
        with serving(app) as url, httpx.Client(base_url=url, trust_env=False) as http, workplace(settings) as place:
            made = ask(http, successUri=receiver.url("/well"), failedUri=receiver.url("/ill"))
            assert made.status_code == 201, made.text
            job = made.json()["jobID"]
            untried = {"over": False, "attempts": 0, "outcome": ""}
            assert http.get(f"/jobs/{job}/callbacks").json()["callbacks"] == [
                {"event": "failed", "uri": receiver.url("/ill"), **untried},
                {"event": "success", "uri": receiver.url("/well"), **untried},
            ]
            change_job(app.state.context, job, state=JobState.FAILED, message="no scene fits")
            assert deliver(place) == 1
            path, headers, body = receiver.got[0]
            assert (path, headers["chronoseg-job"]) == ("/ill", f"{url}/jobs/{job}")
            assert json.loads(body) == http.get(f"/jobs/{job}").json()
            assert http.get(f"/jobs/{job}/callbacks").json()["callbacks"][0]["outcome"] == "answered 200"


@pytest.mark.parametrize(
    ("subscriber", "kind", "said"),
    [
        ({"successUri": "http://hooks.example/"}, "address-refused", "https"),
        ({"successUri": HOOK, "failedUri": "https://127.0.0.1/"}, "address-refused", "open internet"),
        ({"successUri": HOOK, "inProgressUri": "https://a:b@hooks.example/"}, "address-refused", "user name"),
        ({"failedUri": HOOK}, "inputs-refused", "successUri"),
        ({"successUri": HOOK, "otherUri": HOOK}, "inputs-refused", "otherUri"),
        ({"successUri": HOOK + "x" * 2000}, "inputs-refused", "2000"),
    ],
)
def test_addresses_that_are_not_called(http: httpx.Client, subscriber: dict[str, object], kind: str, said: str) -> None:
    answer = ask(http, **subscriber)
    assert (answer.status_code, answer.json()["type"]) == (422, f"urn:chronoseg:problem:{kind}")
    assert said in answer.json()["detail"]
    assert http.get("/jobs").json()["jobs"] == []


def test_a_service_that_calls_nobody_says_so(service_settings: Settings) -> None:
    app = create_app(service_settings.model_copy(update={"callback_targets": ()}))
    with serving(app) as url, httpx.Client(base_url=url, trust_env=False) as http:
        assert "calls nobody back" in ask(http, successUri=HOOK).json()["detail"]
        assert not [one for one in http.get("/conformance").json()["conformsTo"] if one.endswith("/callback")]


def test_each_owner_has_a_secret_and_may_change_it(http: httpx.Client, parts: Context) -> None:
    with writing(parts.sessions) as session:
        keys = {owner: create_key(session, owner, ["write"])[1] for owner in ("ana", "ben")}
        reading = create_key(session, "ana", ["read"])[1]

    def secret(method: str, key: str) -> httpx.Response:
        return http.request(method, "/callback-secret", headers={"X-API-Key": key})

    ana, ben = (secret("GET", keys[owner]).json()["secret"] for owner in ("ana", "ben"))
    assert ana.startswith("whsec_")
    assert ana != ben
    assert secret("GET", keys["ana"]).json()["secret"] == ana
    assert secret("GET", keys["ana"]).headers["cache-control"] == "no-store"
    renewed = secret("POST", keys["ana"]).json()["secret"]
    assert renewed not in {ana, ben}
    assert secret("GET", keys["ana"]).json()["secret"] == renewed
    assert secret("GET", keys["ben"]).json()["secret"] == ben
    assert secret("GET", reading).status_code == 403


def test_the_same_execution_again_calls_back_once(http: httpx.Client) -> None:
    body, headers = {"inputs": INPUTS, "subscriber": {"successUri": HOOK}}, {"Idempotency-Key": "one"}
    first, again = (http.post(EXECUTE, json=body, headers=headers).json() for _ in range(2))
    assert first["jobID"] == again["jobID"]
    assert len(http.get(f"/jobs/{first['jobID']}/callbacks").json()["callbacks"]) == 1


def test_the_document_tells_of_the_calls(http: httpx.Client) -> None:
    execution = http.get("/openapi.json").json()["paths"]["/processes/{process_id}/execution"]["post"]
    assert set(execution["callbacks"]) == {"jobSuccess", "jobFailed", "jobInProgress"}
    schema = execution["requestBody"]["content"]["application/json"]["schema"]
    assert schema["properties"]["subscriber"]["required"] == ["successUri"]
