"""Tokens of an OIDC issuer, which is a real one on the loopback: what is taken, what is not, and while it is away."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import ValidationError
from typer.testing import CliRunner

from service.app import create_app
from service.cli.main import app as commands
from service.context import Context
from service.identity import check_address
from service.oidc import looks_like_token, owner_of
from tests.service.conftest import serving
from tests.service.issuer import AUDIENCE, TestIssuer, issuing, jwk, new_key
from tests.service.records import add_job
from workers.database import writing
from workers.keys import OWNER, create_key
from workers.records import JobRecord
from workers.settings import Settings


@pytest.fixture
def issuer() -> Iterator[TestIssuer]:
    with issuing() as running:
        yield running


@pytest.fixture
def with_issuer(service_settings: Settings, issuer: TestIssuer) -> Settings:
    return service_settings.model_copy(update={"oidc_issuer": issuer.url, "oidc_audience": AUDIENCE})


@contextmanager
def asking(settings: Settings) -> Iterator[tuple[httpx.Client, Context]]:
    app = create_app(settings)
    with serving(app) as url, httpx.Client(base_url=url, timeout=30, trust_env=False) as http:
        yield http, app.state.context


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def by_hand(header: dict[str, Any], claims: dict[str, Any], secret: bytes | None = None) -> str:
    """Return a token as an attacker writes it: no library would."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    signed = b".".join(parts)
    signature = b"" if secret is None else hmac.digest(secret, signed, hashlib.sha256)
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def test_a_token_is_taken_beside_keys(with_issuer: Settings, issuer: TestIssuer) -> None:
    with asking(with_issuer) as (http, parts):
        add_job(parts, job_id="anas", owner=owner_of(issuer.url, "sub", "ana"))
        add_job(parts, job_id="nobodys")
        with writing(parts.sessions) as session:
            _, key = create_key(session, "ana", ["read"])
            session.add(JobRecord(id="of-the-key", owner="ana", inputs={}))
        answer = http.get("/jobs", headers=bearer(issuer.token()))
        assert answer.status_code == 200, answer.text
        assert [job["jobID"] for job in answer.json()["jobs"]] == ["anas"]
        assert [job["jobID"] for job in http.get("/jobs", headers=bearer(key)).json()["jobs"]] == ["of-the-key"]
        assert http.get("/jobs", headers=bearer(issuer.token(sub="ben"))).json()["jobs"] == []
        assert issuer.asked["/keys"] == 1


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_each_kind_of_key(with_issuer: Settings, issuer: TestIssuer, algorithm: str) -> None:
    issuer.keys["two"] = (algorithm, new_key(algorithm))
    with asking(with_issuer) as (http, _):
        assert http.get("/jobs", headers=bearer(issuer.token("two", aud=["x", AUDIENCE]))).status_code == 200
        assert http.get("/jobs", headers=bearer(issuer.token("two", header={"typ": "at+jwt"}))).status_code == 200


NOW = int(time.time())
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "wrong audience": ({"aud": "https://elsewhere.example"}, "another service"),
    "no audience": ({"aud": None}, "needs exp, iat, iss and aud"),
    "expired": ({"exp": NOW - 60, "iat": NOW - 600}, "has expired"),
    "never expires": ({"exp": None}, "needs exp"),
    "not yet": ({"nbf": NOW + 3600}, "not come yet"),
    "made tomorrow": ({"iat": NOW + 86_400, "exp": NOW + 90_000}, "not come yet"),
    "wrong issuer": ({"iss": "https://evil.example"}, "another issuer"),
    "issuer with a slash": ({"iss": "http://127.0.0.1/"}, "another issuer"),
    "nobody's": ({"sub": None}, "the claim 'sub'"),
    "an empty name": ({"sub": ""}, "the claim 'sub'"),
    "a number that ends": ({"exp": "tomorrow"}, "cannot be read"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_claims_are_refused(with_issuer: Settings, issuer: TestIssuer, case: str) -> None:
    claims, told = WRONG[case]
    with asking(with_issuer) as (http, _):
        answer = http.get("/jobs", headers=bearer(issuer.token(**claims)))
        assert answer.status_code == 401, answer.text
        assert told in answer.json()["detail"]
        assert answer.json()["type"] == "urn:chronoseg:problem:token-invalid"
        assert answer.headers["www-authenticate"].startswith('Bearer realm="chronoseg", error="invalid_token"')


def test_clocks_may_differ_a_little(with_issuer: Settings, issuer: TestIssuer) -> None:
    with asking(with_issuer) as (http, _):
        time_s = int(time.time())
        near: list[dict[str, Any]] = [{"exp": time_s - 10}, {"iat": time_s + 15, "nbf": time_s + 15}]
        for claims in near:
            assert http.get("/jobs", headers=bearer(issuer.token(**claims))).status_code == 200


def test_forged_signatures_are_refused(with_issuer: Settings, issuer: TestIssuer) -> None:
    public = issuer.keys["one"][1].public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    other = jwt.encode(issuer.claims(), new_key("RS256"), "RS256", headers={"kid": "one"})
    good = issuer.token()
    head, _, rest = good.partition(".")
    tampered = base64.urlsafe_b64encode(json.dumps(issuer.claims(sub="ben")).encode()).rstrip(b"=").decode()
    forged = {
        "none": by_hand({"alg": "none", "kid": "one"}, issuer.claims()),
        "None": by_hand({"alg": "None", "kid": "one"}, issuer.claims(), b"x"),
        "HS256 with the public key": by_hand({"alg": "HS256", "kid": "one"}, issuer.claims(), pem),
        "RS512 by the right key": jwt.encode(issuer.claims(), issuer.keys["one"][1], "RS512", headers={"kid": "one"}),
        "ES256 by name only": by_hand({"alg": "ES256", "kid": "one"}, issuer.claims(), pem),
        "another's key": other,
        "no signature": good.rpartition(".")[0] + ".",
        "other claims": f"{head}.{tampered}.{rest.partition('.')[2]}",
        "critical extension": issuer.token(header={"crit": ["chronoseg"], "chronoseg": 1}),
        "a key of its own": issuer.token(header={"jwk": jwk(new_key("RS256")), "kid": "mine"}),
        "its own address of keys": issuer.token(header={"jku": "http://127.0.0.1:9/keys", "kid": "mine"}),
        "of another type": issuer.token(header={"typ": "logout+jwt"}),
        "kid is no text": by_hand({"alg": "RS256", "kid": ["one"]}, issuer.claims(), pem),
        "claims are no object": by_hand({"alg": "RS256", "kid": "one"}, [1], pem),  # type: ignore[arg-type]
        "not base64": "eyJhbGciOiJSUzI1NiJ9.A.A",
    }
    with asking(with_issuer) as (http, _):
        assert http.get("/jobs", headers=bearer(good)).status_code == 200
        got = {name: http.get("/jobs", headers=bearer(token)).status_code for name, token in forged.items()}
    assert set(got.values()) == {401}, got
    assert issuer.asked["/keys"] == 1


def test_scopes_are_those_of_keys(with_issuer: Settings, issuer: TestIssuer) -> None:
    scopes: dict[str, dict[str, Any]] = {
        "read": {"scope": "openid read email"},
        "write": {"scope": None, "scp": ["chronoseg:write"]},
        "admin": {"scope": "admin"},
        "none": {"scope": "openid"},
        "nothing said": {"scope": None},
        "of a wrong kind": {"scope": {"write": True}},
        "the first claim counts": {"scope": "", "scp": "admin"},
    }
    status = {}
    with asking(with_issuer) as (http, _):
        for name, claims in scopes.items():
            headers = bearer(issuer.token(**claims))
            routes = (("GET", "/jobs"), ("DELETE", "/jobs/x"), ("GET", "/keys"))
            status[name] = [http.request(*route, headers=headers).status_code for route in routes]
        refused = http.delete("/jobs/x", headers=bearer(issuer.token(scope="read")))
    assert "with the scope write; this one has read" in refused.json()["detail"]
    assert (status["read"], status["write"]) == ([200, 403, 403], [200, 404, 403])
    assert status["admin"] == [200, 404, 200]
    rest = [found for name, found in status.items() if name not in {"read", "write", "admin"}]
    assert rest == [[403, 403, 403]] * 4


def test_claims_of_ones_own_choice(with_issuer: Settings, issuer: TestIssuer) -> None:
    named = with_issuer.model_copy(update={"oidc_owner_claim": "client_id", "oidc_scopes_claim": "roles"})
    with asking(named) as (http, parts):
        add_job(parts, job_id="of-the-robot", owner=owner_of(issuer.url, "client_id", "robot"))
        headers = bearer(issuer.token(client_id="robot", roles=["read"]))
        assert [job["jobID"] for job in http.get("/jobs", headers=headers).json()["jobs"]] == ["of-the-robot"]
        assert http.delete("/jobs/of-the-robot", headers=headers).status_code == 403  # `scope` says write, roles read


def test_owners_never_meet() -> None:
    owners = [owner_of(*who) for who in (("i", "sub", "a"), ("i", "sub", "b"), ("j", "sub", "a"), ("i", "mail", "a"))]
    assert len(set(owners)) == len(owners)
    assert all(len(owner) <= 64 and not OWNER.fullmatch(owner) for owner in owners)
    assert not looks_like_token("cs_000000000000_" + "a" * 43)


def test_an_issuer_closes_the_service(with_issuer: Settings, issuer: TestIssuer) -> None:
    with asking(with_issuer) as (http, parts):
        missing = http.get("/jobs")
        assert (missing.status_code, missing.json()["title"]) == (401, "A key is needed")
        assert missing.headers["www-authenticate"].startswith("Bearer")
        assert http.get("/health").status_code == 200
        assert check_address("0.0.0.0", parts.sessions, with_issuer) is True  # noqa: S104
        schemes = http.get("/openapi.json").json()["components"]["securitySchemes"]
        assert schemes["oidc"]["openIdConnectUrl"] == issuer.url + "/.well-known/openid-configuration"
    assert issuer.asked.total() == 0


def test_without_an_issuer_no_token_is_taken(http: httpx.Client, issuer: TestIssuer) -> None:
    assert http.get("/jobs", headers=bearer(issuer.token())).status_code == 401
    assert issuer.asked.total() == 0


def test_while_the_issuer_is_away_nobody_gets_in(with_issuer: Settings, issuer: TestIssuer) -> None:
    issuer.status = 500
    with asking(with_issuer) as (http, parts):
        for _ in range(3):
            answer = http.get("/jobs", headers=bearer(issuer.token()))
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
            assert answer.json()["type"] == "urn:chronoseg:problem:issuer-unavailable"
        assert issuer.asked.total() == 1
        with writing(parts.sessions) as session:
            _, key = create_key(session, "ana", ["read"])
        assert http.get("/jobs", headers=bearer(key)).status_code == 200


def test_an_issuer_that_does_not_listen(service_settings: Settings) -> None:
    with issuing() as gone:
        token = gone.token()
    settings = service_settings.model_copy(update={"oidc_issuer": gone.url, "oidc_audience": AUDIENCE})
    with asking(settings) as (http, _):
        assert http.get("/jobs", headers=bearer(token)).status_code == 503


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"oidc_issuer": "http://issuer.example", "oidc_audience": "x"}, "https://"),
        ({"oidc_issuer": "https://me@issuer.example", "oidc_audience": "x"}, "https://"),
        ({"oidc_issuer": "issuer.example", "oidc_audience": "x"}, "https://"),
        ({"oidc_issuer": "https://issuer.example"}, "OIDC_AUDIENCE is not set"),
        ({"oidc_audience": "x"}, "OIDC_ISSUER is not set"),
    ],
)
def test_settings_that_do_not_fit(given: dict[str, str], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Settings(**given)  # type: ignore[arg-type]


def test_the_command_line_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHRONOSEG_OIDC_ISSUER", "https://issuer.example")
    ended = CliRunner().invoke(commands, ["api", "--port", "0"], env={"CHRONOSEG_DATA_DIR": str(tmp_path)})
    assert ended.exit_code == 1
    assert "CHRONOSEG_OIDC_AUDIENCE" in ended.stderr
