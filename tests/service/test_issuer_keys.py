"""The keys of an OIDC issuer, which is a real one on the loopback: kept, found anew, and not asked for too often."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from service.errors import IssuerUnavailable, ServiceError, TokenInvalid
from service.issuer_keys import FRESH_S, PAUSE_S, STALE_S, IssuerKeys
from service.oidc import Issuer, owner_of
from tests.service.issuer import AUDIENCE, TestIssuer, issuing, jwk, new_key


@pytest.fixture
def issuer() -> Iterator[TestIssuer]:
    with issuing() as running:
        yield running


@pytest.mark.parametrize(
    "about",
    [
        {"issuer": "https://evil.example"},
        {"jwks_uri": "http://keys.example/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": None},
        {"jwks_uri": "http://[::1"},
    ],
)
def test_an_issuer_that_says_odd_things(issuer: TestIssuer, about: dict[str, Any]) -> None:
    issuer.about = about
    with pytest.raises(IssuerUnavailable):
        IssuerKeys(issuer.url).find("one", "RS256")


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def taker(issuer: TestIssuer, clock: Clock) -> Issuer:
    """Who takes the issuer's tokens; all it knows is kept through a test."""
    return Issuer(IssuerKeys(issuer.url, clock), AUDIENCE)


def outcome(taker: Issuer, token: str) -> str:
    """Return the owner's kind, or the error's name, for a token."""
    try:
        return taker.identify(token).owner.partition(":")[0]
    except ServiceError as err:
        return type(err).__name__


def test_a_new_key_is_found_and_a_withdrawn_one_forgotten(issuer: TestIssuer, taker: Issuer, clock: Clock) -> None:
    old = issuer.token()
    assert outcome(taker, old) == "oidc"
    clock.seconds += PAUSE_S + 1
    issuer.keys = {"two": ("ES256", new_key("ES256"))}
    assert outcome(taker, issuer.token("two")) == "oidc"  # asked for at once: its ID was not known
    assert outcome(taker, old) == "TokenInvalid"
    assert issuer.asked["/keys"] == 2


def test_a_withdrawn_key_is_forgotten_without_a_new_one(issuer: TestIssuer, taker: Issuer, clock: Clock) -> None:
    issuer.keys["two"] = ("EdDSA", new_key("EdDSA"))
    old = issuer.token("two")
    assert outcome(taker, old) == "oidc"
    del issuer.keys["two"]
    clock.seconds += FRESH_S + 1
    assert outcome(taker, old) == "TokenInvalid"


def test_unknown_keys_do_not_hammer_the_issuer(issuer: TestIssuer, taker: Issuer, clock: Clock) -> None:
    foreign = dict.fromkeys(map(str, range(20)), ("RS256", issuer.keys["one"][1]))
    tokens = [TestIssuer(issuer.url, foreign).token(kid) for kid in foreign]
    assert {outcome(taker, token) for token in tokens} == {"TokenInvalid"}
    assert issuer.asked["/keys"] == 1
    clock.seconds += PAUSE_S + 1
    assert {outcome(taker, token) for token in tokens} == {"TokenInvalid"}
    assert issuer.asked["/keys"] == 2


def test_keys_outlive_a_short_absence_not_a_long_one(issuer: TestIssuer, taker: Issuer, clock: Clock) -> None:
    token = issuer.token(exp=int(time.time()) + 10_000)
    assert outcome(taker, token) == "oidc"
    issuer.status = 503
    clock.seconds += FRESH_S + 1
    assert outcome(taker, token) == "oidc"
    unknown = TestIssuer(issuer.url, {"two": issuer.keys["one"]}).token("two")
    assert outcome(taker, unknown) == "IssuerUnavailable"  # it may be a new key
    clock.seconds += STALE_S
    assert outcome(taker, token) == "IssuerUnavailable"
    issuer.status = 200
    clock.seconds += PAUSE_S + 1
    assert outcome(taker, token) == "oidc"


def test_many_at_once_ask_once(issuer: TestIssuer) -> None:
    keys, token = IssuerKeys(issuer.url), issuer.token()
    owners: list[str] = []
    threads = [
        threading.Thread(target=lambda: owners.append(Issuer(keys, AUDIENCE).identify(token).owner)) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert owners == [owner_of(issuer.url, "sub", "ana")] * 16
    assert issuer.asked["/keys"] == 1


def test_keys_that_are_of_no_use_are_left_alone(issuer: TestIssuer) -> None:
    weak, for_encryption, curve = new_key("RS256", 1024), new_key("RS256"), new_key("ES384")
    secret = {"kty": "oct", "kid": "secret", "k": base64.urlsafe_b64encode(b"s" * 32).decode(), "alg": "HS256"}
    issuer.published = [
        jwk(weak, kid="weak"), jwk(for_encryption, kid="enc", use="enc"), jwk(curve, kid="curve"), secret,
        {"kty": "new", "kid": "new"}, {"kid": "bare"}, {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
    ]  # fmt: skip
    keys = IssuerKeys(issuer.url)
    assert keys.find("one", "RS256").key_id == "one"
    assert keys.find(None, "RS256").key_id == "one"
    for kid in ("weak", "enc", "curve", "secret", "new", "bare", "broken"):
        with pytest.raises(TokenInvalid):
            keys.find(kid, "RS256")
    with pytest.raises(TokenInvalid):
        keys.find("one", "ES256")


def test_a_token_that_names_no_key_will_do_while_there_is_one(issuer: TestIssuer) -> None:
    unnamed = jwt.encode(issuer.claims(), issuer.keys["one"][1], "RS256")
    assert Issuer(IssuerKeys(issuer.url), AUDIENCE).identify(unnamed).may("write")
    issuer.keys["two"] = ("RS256", new_key("RS256"))
    with pytest.raises(TokenInvalid, match="needs no ID"):
        Issuer(IssuerKeys(issuer.url), AUDIENCE).identify(unnamed)
