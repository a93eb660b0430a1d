"""Keys: made, taken in every form, rotated, revoked, expired; by the command line and over HTTP; none at all."""

from __future__ import annotations

import base64
import time
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select
from typer.testing import CliRunner

from service.app import create_app
from service.cli.main import app as commands
from service.context import Context
from service.errors import ServeRefused
from service.identity import check_address
from service.recent import KEPT_S
from tests.service.conftest import serving
from tests.service.records import add_job, add_scene
from workers.database import migrate, open_database, writing
from workers.errors import KeyInvalid, KeyUnknown, OwnerRefused
from workers.keys import KeyRecord, adopt, check_key, create_key, revoke_key, rotate_key
from workers.records import JobRecord, SceneRecord, SceneState, now
from workers.settings import Settings


def make(parts: Context, owner: str = "ana", scopes: tuple[str, ...] = ("write",)) -> tuple[str, str]:
    """Return id and key."""
    with writing(parts.sessions) as session:
        record, key = create_key(session, owner, scopes)
    parts.recent.forget()
    return record.id, key


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def basic(key: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"anyone:{key}".encode()).decode()}


def test_a_key_comes_in_three_forms(http: httpx.Client, parts: Context) -> None:
    _, key = make(parts)
    for headers in (bearer(key), basic(key), {"X-API-Key": key}):
        assert http.get("/jobs", headers=headers).status_code == 200
    missing = http.get("/jobs")
    assert (missing.status_code, missing.json()["title"]) == (401, "A key is needed")
    assert missing.headers["www-authenticate"] == 'Bearer realm="chronoseg", Basic realm="chronoseg"'
    assert missing.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "headers",
    [
        bearer("cs_000000000000_" + "a" * 43),
        bearer("nonsense"),
        {"Authorization": "Basic !"},
        {"Authorization": "Digest x"},
        {"Authorization": "Bearer"},
        {"X-API-Key": ""},
        basic(""),
    ],
)
def test_what_is_no_key_is_refused_though_another_is_there(
    http: httpx.Client, parts: Context, headers: dict[str, str]
) -> None:
    assert http.get("/jobs", headers=headers).status_code == 401
    make(parts)
    assert http.get("/jobs", headers=headers).status_code == 401


def test_the_secret_is_nowhere(parts: Context) -> None:
    id_, key = make(parts)
    with parts.sessions() as session:
        record = session.scalars(select(KeyRecord)).one()
    assert record.id == id_
    assert key.split("_", 2)[2] not in str(vars(record))


def test_rotation_leaves_the_old_secret_for_a_while(parts: Context) -> None:
    id_, old = make(parts)
    with writing(parts.sessions) as session:
        _, new = rotate_key(session, id_, timedelta(seconds=1.5))
    with parts.sessions() as session:
        assert check_key(session, old) == check_key(session, new)
    time.sleep(1.6)
    with parts.sessions() as session:
        assert check_key(session, new).owner == "ana"
        with pytest.raises(KeyInvalid):
            check_key(session, old)
    with writing(parts.sessions) as session:
        rotate_key(session, id_, timedelta(0))
    with parts.sessions() as session, pytest.raises(KeyInvalid):
        check_key(session, new)


def test_what_has_ended_is_not_taken(parts: Context) -> None:
    with writing(parts.sessions) as session:
        _, expired = create_key(session, "ana", ["read"], now() - timedelta(seconds=1))
        record, revoked = create_key(session, "ana", ["read"])
        revoke_key(session, record.id)
    with parts.sessions() as session:
        for key in (expired, revoked):
            with pytest.raises(KeyInvalid):
                check_key(session, key)
        with pytest.raises(KeyUnknown, match="was revoked: make a new one"):
            rotate_key(session, record.id)
        with pytest.raises(KeyUnknown, match="no key 'nowhere'"):
            revoke_key(session, "nowhere")


@pytest.mark.parametrize(("owner", "scopes"), [("", ["read"]), ("oidc:1", ["read"]), ("Ana", ["read"]), ("ana", [])])
def test_owners_and_scopes_are_checked(parts: Context, owner: str, scopes: list[str]) -> None:
    with parts.sessions() as session, pytest.raises(OwnerRefused):
        create_key(session, owner, scopes)


def test_scopes_hold_each_other(http: httpx.Client, parts: Context) -> None:
    status = {}
    for scope in ("read", "write", "admin"):
        headers = bearer(make(parts, "ana", (scope,))[1])
        routes = (("GET", "/jobs"), ("DELETE", "/jobs/x"), ("GET", "/keys"))
        asked = [http.request(*route, headers=headers) for route in routes]
        status[scope] = [answer.status_code for answer in asked]
    assert status == {"read": [200, 403, 403], "write": [200, 404, 403], "admin": [200, 404, 200]}


def test_keys_over_http(http: httpx.Client, parts: Context) -> None:
    assert http.get("/keys").status_code == 403  # nobody has a key: a stranger must not make the first
    assert http.post("/keys", json={"owner": "eve"}).status_code == 403
    admin = bearer(make(parts, "ana", ("admin",))[1])
    made = http.post("/keys", json={"owner": "ben", "scopes": ["read"], "expires_days": 1}, headers=admin)
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    key = made.json()
    assert http.get("/jobs", headers=bearer(key["key"])).status_code == 200
    new = http.post(f"/keys/{key['id']}/rotation", json={"grace_hours": 0}, headers=admin).json()["key"]
    assert http.get("/jobs", headers=bearer(key["key"])).status_code == 401
    listed = http.get("/keys", headers=admin)
    assert [one["owner"] for one in listed.json()["keys"]] == ["ben", "ana"]
    assert "digest" not in listed.text
    assert http.delete(f"/keys/{key['id']}", headers=admin).status_code == 204
    assert http.get("/jobs", headers=bearer(new)).status_code == 401
    assert http.post("/keys", json={"owner": "Ben!"}, headers=admin).status_code == 422


def test_the_command_line(service_settings: Settings, parts: Context, http: httpx.Client) -> None:
    run, folder = CliRunner(), ["--data-dir", str(service_settings.data_dir)]
    add_scene(parts, "old", SceneState.READY)
    job = add_job(parts)
    made = run.invoke(commands, ["keys", "create", "ana", "--scope", "read", "--scope", "admin", "--adopt", *folder])
    assert made.exit_code == 0, made.output
    key = made.stdout.strip()
    assert "from now on every request needs a key" in made.stderr
    assert "1 scenes and 1 jobs are ana's now" in made.stderr
    assert [one["jobID"] for one in http.get("/jobs", headers=bearer(key)).json()["jobs"]] == [job]
    id_ = key.split("_")[1]
    listed = run.invoke(commands, ["keys", "list", *folder])
    assert id_ in listed.stdout
    assert "read, admin" in listed.stdout
    turned = run.invoke(commands, ["keys", "rotate", id_, "--grace-hours", "0", *folder]).stdout.strip()
    time.sleep(KEPT_S)  # another process changed it
    assert http.get("/jobs", headers=bearer(key)).status_code == 401
    assert http.get("/jobs", headers=bearer(turned)).status_code == 200
    assert run.invoke(commands, ["keys", "revoke", id_, *folder]).exit_code == 0
    time.sleep(KEPT_S)
    assert http.get("/jobs", headers=bearer(turned)).status_code == 401
    assert http.get("/jobs").status_code == 401  # a revoked key does not open the service
    wrong = run.invoke(commands, ["keys", "create", "Ana Lima", *folder])
    assert (wrong.exit_code, "expected an owner of 1 to 48 lower-case letters" in wrong.stderr) == (1, True)


def test_adopting_leaves_what_the_owner_has(parts: Context) -> None:
    add_scene(parts, "mine", SceneState.READY)
    with writing(parts.sessions) as session:
        session.get_one(SceneRecord, "mine").owner = "ana"
        session.get_one(SceneRecord, "mine").sha256 = "same"
        session.add(SceneRecord(id="same", sha256="same", state=SceneState.READY, upload={}, parts=[]))
        session.add(JobRecord(id="job", inputs={}))
    with writing(parts.sessions) as session:
        assert adopt(session, "ana") == (0, 1)


def test_without_keys_only_this_machine_is_served(tmp_path: Path, parts: Context, service_settings: Settings) -> None:
    for host in ("127.0.0.1", "::1", "localhost", "127.8.9.1"):
        assert check_address(host, parts.sessions, service_settings) is False
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.org"):  # noqa: S104 - it is refused
        with pytest.raises(ServeRefused, match="no key guards the service: make one with `chronoseg keys create"):
            check_address(host, parts.sessions, service_settings)
    anywhere = service_settings.model_copy(update={"keyless": "anywhere"})
    assert check_address("0.0.0.0", parts.sessions, anywhere) is False  # noqa: S104
    make(parts)
    assert check_address("0.0.0.0", parts.sessions, service_settings) is True  # noqa: S104


def test_without_keys_no_page_of_another_site_gets_in(http: httpx.Client, url: str, parts: Context) -> None:
    rebound = http.get("/jobs", headers={"Host": "evil.example"})
    assert (rebound.status_code, rebound.json()["title"]) == (403, "Not from there")
    form = {"image": ("a.tif", b"II*\0")}
    assert http.post("/scenes", files=form, headers={"Origin": "https://evil.example"}).status_code == 403
    assert http.post("/scenes", files=form, headers={"Origin": "null"}).status_code == 403
    assert http.post("/scenes", files=form, headers={"Origin": url}).status_code == 201
    assert http.get("/jobs", headers={"Origin": "https://evil.example"}).status_code == 200
    _, key = make(parts)
    from_afar = {"Host": "forest.example", **bearer(key)}
    assert http.get("/jobs", headers=from_afar).status_code == 200


def test_an_open_service_may_be_asked_by_any_name(service_settings: Settings) -> None:
    migrate(service_settings.database)
    anywhere = service_settings.model_copy(update={"keyless": "anywhere"})
    app: FastAPI = create_app(anywhere)
    with serving(app) as url, httpx.Client(base_url=url, trust_env=False) as http:
        assert http.get("/jobs", headers={"Host": "api:8000"}).status_code == 200
    assert open_database(anywhere.database) is not None
