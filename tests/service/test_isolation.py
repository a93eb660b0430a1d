"""Two owners, every route: nobody sees or touches what is another's. The matrix is made from the app's own routes.

A route that is added later is in it by itself; one whose parameters are not known here fails the test, so that somebody
thinks about it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from service.context import Context
from tests.service.made import add_made_job, add_made_scene, assembled
from workers.database import writing
from workers.keys import create_key, revoke_key
from workers.records import now
from workers.uploads import UploadRecord

OPEN = {"/", "/health", "/api", "/conformance", "/queryables", "/collections/{collection_id}/queryables"}
"""What anybody may see: it tells nothing of anybody."""

FOR_ADMINS = re.compile(r"/keys(/.*)?")

BODIES = {
    "/processes/{process_id}/execution": {
        "inputs": {"model": "burned-area", "aoi": {"type": "Point", "coordinates": [0, 0]}}
    },
    "/search": {},
    "/collections/{collection_id}/items": {},
    "/collections/{collection_id}/items/{item_id}": {"properties": {}},
    "/keys": {"owner": "eve"},
    "/keys/{key_id}/rotation": {},
}
HEADERS = {
    "/uploads": {"Tus-Resumable": "1.0.0", "Upload-Length": "9"},
    "/uploads/{upload_id}": {"Tus-Resumable": "1.0.0", "Upload-Offset": "0"},
}
WRITES = {"POST", "PUT", "PATCH", "DELETE"}
TAKES_IN = {
    ("POST", "/scenes"), ("PATCH", "/uploads/{upload_id}"), ("POST", "/collections/{collection_id}/items"),
    ("PUT", "/collections/{collection_id}/items/{item_id}"),
}  # fmt: skip
NOBODY = {"none", "wrong", "expired", "revoked"}


@dataclass(frozen=True)
class Case:
    """One request of the matrix: a route, whose object it names, and who asks."""

    method: str
    template: str
    path: str
    names_an_object: bool
    who: str
    key: str


@pytest.fixture
def objects(parts: Context, tmp_path: Path) -> dict[str, dict[str, str]]:
    """What each of two owners has, by the names of the routes' parameters."""
    plan, products = assembled(tmp_path / "assembled")
    found = {}
    for owner in ("ana", "ben"):
        scene, job = f"scene-of-{owner}", f"job-of-{owner}"
        for name in (scene, f"item-of-{owner}"):
            add_made_scene(parts, tmp_path / name, name, owner)
        with writing(parts.sessions) as session:
            later = now() + timedelta(hours=1)
            session.add(UploadRecord(id=f"upload-of-{owner}", owner=owner, size=9, filename="x", expires=later))
        add_made_job(parts, plan, products, job, owner, notes=[f"note-of-{owner}"])
        with writing(parts.sessions) as session:
            record, _ = create_key(session, owner, ["read"])
        found[owner] = {"scene_id": scene, "job_id": job, "process_id": "segment", "model_id": "burned-area"}
        found[owner] |= {"key_id": record.id, "name": "mask_20200801.tif", "collection_id": "scenes"}
        found[owner] |= {"upload_id": f"upload-of-{owner}", "item_id": f"item-of-{owner}", "z": "1", "x": "0", "y": "1"}
    return found


@pytest.fixture
def keys(parts: Context, objects: dict[str, dict[str, str]]) -> dict[str, str]:
    """Who may ask, by name."""
    assert set(objects) == {"ana", "ben"}
    with writing(parts.sessions) as session:
        revoked, revoked_key = create_key(session, "ana", ["write"])
        revoke_key(session, revoked.id)
        return {
            "none": "",
            "wrong": "cs_000000000000_" + "a" * 43,
            "expired": create_key(session, "ana", ["write"], now() - timedelta(hours=1))[1],
            "revoked": revoked_key,
            "ben": create_key(session, "ben", ["write"])[1],
            "ana, reading": create_key(session, "ana", ["read"])[1],
            "ana": create_key(session, "ana", ["write"])[1],  # last: what she deletes was there for all others
        }


def cases(app: FastAPI, objects: dict[str, dict[str, str]], keys: dict[str, str]) -> Iterator[Case]:
    """Yield every route with ana's and ben's objects, asked for by everybody; what changes something comes last."""
    routes = [(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods]
    files = re.compile(r"{name}$|^/tiles/|\.zip$|\.qgz$")
    routes += [("HEAD", path) for method, path in routes if method == "GET" and files.search(path)]
    for method, template in sorted(routes, key=lambda route: (route[0] in WRITES, route[0] == "DELETE")):
        parameters = re.findall(r"{(\w+)}", template)
        unknown = set(parameters) - set(objects["ana"])
        assert not unknown, f"{template}: say in `objects` what {unknown} may be"
        personal = bool({"scene_id", "job_id", "item_id", "upload_id"} & set(parameters))
        for who, key in keys.items():
            path = template.format(**objects["ana"])
            path = path.replace("mask_20200801.tif", "reflectance.tif") if "/assets/" in path else path
            yield Case(method, template, path, personal, who, key)


def test_nobody_sees_or_touches_what_is_anothers(
    app: FastAPI, http: httpx.Client, objects: dict[str, dict[str, str]], keys: dict[str, str]
) -> None:
    count, wrong = 0, []
    for case in cases(app, objects, keys):
        headers = dict(HEADERS.get(case.template, {}))
        if case.key:
            headers["Authorization"] = f"Bearer {case.key}"
        if case.template.endswith("/events"):
            headers["Last-Event-ID"] = "successful-0-0"  # the job has ended, and the client knows
        answer = http.request(case.method, case.path, headers=headers, json=BODIES.get(case.template))
        count += 1
        if answer.status_code not in allowed(case):
            wrong.append(f"{case.who}: {case.method} {case.path} -> {answer.status_code}, not {allowed(case)}")
        told = answer.text.replace(case.path, "").replace(objects["ana"]["scene_id"] + "'", "")
        for name in ("job_id", "upload_id", "item_id"):
            told = told.replace(objects["ana"][name] + "'", "")  # what was asked for may stand in the answer
        if not case.who.startswith("ana") and "-of-ana" in told:
            wrong.append(f"{case.who}: {case.method} {case.path} tells of ana: {answer.text[:200]}")
    assert wrong == []
    assert count >= 150


def allowed(case: Case) -> set[int]:
    """Return the statuses that are right for a case; ana owns what is asked for."""
    if case.template in OPEN:
        return {200}
    if case.who in NOBODY:
        return {401}
    changes = (case.method in WRITES and case.template != "/search") or case.template == "/callback-secret"
    if FOR_ADMINS.fullmatch(case.template) or (case.who == "ana, reading" and changes):
        return {403}
    if case.names_an_object and case.who == "ben":
        return {404}
    if case.template == "/processes/{process_id}/execution" or (case.method, case.template) in TAKES_IN:
        return {415, 422}  # it came through, and is then refused for what it says
    return {200, 201, 204}


def test_lists_hold_ones_own_alone(http: httpx.Client, keys: dict[str, str]) -> None:
    for who in ("ana", "ben"):
        headers = {"Authorization": f"Bearer {keys[who]}"}
        lists = ("/jobs", "/scenes", "/search", "/collections/scenes/items")
        listed = "".join(http.get(path, headers=headers).text for path in lists)
        assert {f"job-of-{who}", f"scene-of-{who}"} <= set(re.findall(r"\w+-of-[a-z]+", listed))
        assert not {name for name in re.findall(r"\w+-of-([a-z]+)", listed) if name != who}
        named = http.get("/search?ids=scene-of-ana,scene-of-ben", headers=headers).json()
        assert [item["id"] for item in named["features"]] == [f"scene-of-{who}"]
