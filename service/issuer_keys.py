"""The public keys of an OIDC issuer: found by discovery, kept for a while, asked for again not too often."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import structlog

from service.errors import IssuerUnavailable, TokenInvalid
from workers.addresses import check_secure_url, is_loopback

if TYPE_CHECKING:
    from jwt import PyJWK

ALGORITHMS = ("RS256", "ES256", "EdDSA")
"""What a token may be signed by: no shared secrets, and never nothing."""

DISCOVERY = "/.well-known/openid-configuration"
FRESH_S = 600.0
"""How long keys are used without asking for them again: so long is a withdrawn key taken at most."""

STALE_S = 3600.0
"""How long keys are used while the issuer is away."""

PAUSE_S = 30.0
"""How long to wait before the issuer is asked again, whoever sends what tokens."""

_TIMEOUT_S = 5.0
_MOST_BYTES = 1 << 20
_LEAST_RSA_BITS = 2048
_log = structlog.get_logger()


@dataclass(frozen=True)
class _Known:
    keys: tuple[PyJWK, ...]
    since_s: float


@dataclass
class IssuerKeys:
    """Keys of one issuer; threads share it.

    Attributes:
        issuer: its URL, as tokens name it.
        clock: seconds that only grow.
    """

    issuer: str
    clock: Callable[[], float] = time.monotonic
    _known: _Known | None = None
    _asked_s: float | None = None
    _fetching: threading.Lock = field(default_factory=threading.Lock)

    def find(self, kid: str | None, algorithm: str) -> PyJWK:
        """Return the key that a token was signed with.

        Args:
            kid: its ID; None where the token names none, which will do as long as there is only one.
            algorithm: of `ALGORITHMS`; a key of another one is not that key.

        Raises:
            TokenInvalid: the issuer has no such key.
            IssuerUnavailable: the issuer did not say what keys it has.
        """
        known = self._known
        found = None if known is None else _pick(known.keys, kid, algorithm)
        if known is not None and found is not None:
            age_s = self.clock() - known.since_s
            if age_s < FRESH_S:
                return found
            if age_s < STALE_S and not self._fetching.acquire(blocking=False):
                return found  # another thread is asking
            if age_s < STALE_S:
                try:
                    self._ask()
                finally:
                    self._fetching.release()
                return self._told(kid, algorithm)
        with self._fetching:
            if known is self._known:  # else another thread has asked while this one waited
                self._ask()
        return self._told(kid, algorithm)

    def _ask(self) -> None:
        """Fetch the keys, unless that was tried a moment ago; what fails leaves those that are known."""
        if self._asked_s is not None and self.clock() - self._asked_s < PAUSE_S:
            return
        self._asked_s = self.clock()
        try:
            keys = fetch_keys(self.issuer)
        except IssuerUnavailable as err:
            _log.warning("the keys of the OIDC issuer cannot be had", issuer=self.issuer, error=str(err))
            return
        self._known = _Known(keys, self.clock())

    def _told(self, kid: str | None, algorithm: str) -> PyJWK:
        known, time_s = self._known, self.clock()
        if known is None or time_s - known.since_s >= STALE_S:
            raise IssuerUnavailable(f"tokens cannot be checked: {self.issuer} does not tell its keys; try again soon")
        found = _pick(known.keys, kid, algorithm)
        if found is not None:
            return found
        if self._asked_s is not None and known.since_s < self._asked_s:  # the issuer was away when asked for this key
            raise IssuerUnavailable(f"a token cannot be checked: {self.issuer} does not tell its keys; try again soon")
        named = f"of the ID {kid[:60]!r}" if kid is not None else f"for {algorithm} that needs no ID"
        raise TokenInvalid(f"the token's issuer has no key {named}; get a new token")


def fetch_keys(issuer: str) -> tuple[PyJWK, ...]:
    """Return the keys that an issuer publishes now, of those that are of use here.

    Raises:
        IssuerUnavailable: it does not answer, or not with what OpenID Connect Discovery 1.0 says.
    """
    from jwt import PyJWK, PyJWTError

    about = _fetch_json(issuer.rstrip("/") + DISCOVERY)
    if about.get("issuer") != issuer:
        raise IssuerUnavailable(f"expected CHRONOSEG_OIDC_ISSUER as the issuer names itself, {about.get('issuer')!r}")
    documents = _fetch_json(str(about.get("jwks_uri", ""))).get("keys")
    if not isinstance(documents, list):
        raise IssuerUnavailable("expected a JSON Web Key Set with a list `keys`")
    found = []
    for document in documents:
        if not isinstance(document, dict) or document.get("use", "sig") != "sig":
            continue
        try:
            key = PyJWK(document)
        except (PyJWTError, ValueError, TypeError):
            continue  # of a kind that is not known here, which is no one's fault
        if key.algorithm_name in ALGORITHMS and getattr(key.key, "key_size", _LEAST_RSA_BITS) >= _least(key):
            found.append(key)
    return tuple(found)


def _least(key: PyJWK) -> int:
    return _LEAST_RSA_BITS if key.key_type == "RSA" else 0


def _pick(keys: tuple[PyJWK, ...], kid: str | None, algorithm: str) -> PyJWK | None:
    fit = [key for key in keys if key.algorithm_name == algorithm and kid in {None, key.key_id}]
    return fit[0] if len(fit) == 1 or (fit and kid is not None) else None


def _fetch_json(url: str) -> Mapping[str, Any]:
    import httpx

    try:
        check_secure_url(url)
        on_this_machine = is_loopback(urlsplit(url).hostname or "")
        body = bytearray()
        with (
            httpx.Client(timeout=_TIMEOUT_S, trust_env=not on_this_machine) as client,
            client.stream("GET", url, headers={"Accept": "application/json"}) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                raise IssuerUnavailable(f"expected 200 from {url}; got {answer.status_code}")
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > _MOST_BYTES:
                    raise IssuerUnavailable(f"expected at most {_MOST_BYTES} bytes from {url}")
        document = json.loads(body)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as err:
        raise IssuerUnavailable(f"{url[:200] or 'no jwks_uri'}: {type(err).__name__}: {err}") from err
    if not isinstance(document, dict):
        raise IssuerUnavailable(f"expected a JSON object from {url}")
    return document
