"""A small OIDC issuer on the loopback: discovery, keys that can be changed, tokens; it counts what it is asked."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "https://forest.example/chronoseg"
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def new_key(algorithm: str, bits: int = 2048) -> PrivateKey:
    """Return a private key that signs by an algorithm."""
    if algorithm.startswith("RS"):
        return rsa.generate_private_key(65537, bits)
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP384R1() if algorithm == "ES384" else ec.SECP256R1())


def jwk(key: PrivateKey, **more: str) -> dict[str, Any]:
    """Return the public half of a key as a JSON Web Key."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        return {**RSAAlgorithm.to_jwk(public, as_dict=True), **more}
    if isinstance(public, ed25519.Ed25519PublicKey):
        return {**OKPAlgorithm.to_jwk(public, as_dict=True), **more}
    return {**ECAlgorithm.to_jwk(public, as_dict=True), **more}


@dataclass
class TestIssuer:
    """What the issuer tells; tests change it while it runs.

    Attributes:
        url: of the issuer.
        keys: by ID: algorithm and private key; all of them are published.
        published: more keys, as they stand in the set.
        about: what discovery tells besides.
        status: of every answer.
        asked: how often each path was asked for.
    """

    __test__ = False

    url: str
    keys: dict[str, tuple[str, PrivateKey]] = field(default_factory=dict)
    published: list[dict[str, Any]] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    asked: Counter[str] = field(default_factory=Counter)

    def token(self, kid: str = "one", *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a token; claims that are None are left out."""
        algorithm, key = self.keys[kid]
        return jwt.encode(self.claims(**claims), key, algorithm, headers={"kid": kid, **(header or {})})

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Return the claims of a good token, with changes."""
        time_s = int(time.time())
        good = {"iss": self.url, "aud": AUDIENCE, "sub": "ana", "iat": time_s, "exp": time_s + 300, "scope": "write"}
        return {name: value for name, value in {**good, **changed}.items() if value is not None}

    def document(self, path: str) -> Any:
        """Return what stands at a path."""
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.about}
        return {"keys": [*(jwk(key, kid=kid, use="sig") for kid, (_, key) in self.keys.items()), *self.published]}


@contextmanager
def issuing(port: int = 0) -> Iterator[TestIssuer]:
    """Run an issuer with one key, `one`, by RS256."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked[self.path] += 1
            body = json.dumps(issuer.document(self.path)).encode()
            self.send_response(issuer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Tell nobody."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        issuer = TestIssuer(f"http://127.0.0.1:{server.server_port}")
        issuer.keys["one"] = ("RS256", new_key("RS256"))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join(10)
