"""Whose a request is: by its API key or the token of an OIDC issuer; nobody's in particular where there is neither.

Without keys and issuer the service trusts whoever reaches it. It then listens on the loopback only
(`check_address`), and answers only what came by a name of the loopback, from no other site's page: a web page cannot
use a visitor's own service, neither by a name that it lets point to the loopback, nor by a form that it sends there.
Pages of the origins that the settings name (`service.cors`) may.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.orm import Session, sessionmaker

from service.context import Context, Here
from service.errors import CredentialsMissing, OriginRefused, ScopeMissing, ServeRefused
from service.issuer_keys import DISCOVERY
from service.oidc import looks_like_token
from workers.addresses import is_loopback
from workers.errors import KeyInvalid
from workers.keys import ADMIN, READ, WRITE, Identity, any_keys, check_key
from workers.settings import Settings

EVERYBODY = Identity("", frozenset({READ, WRITE}))
"""Not admin: else the first stranger could make the first key, and lock all others out."""

SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key of `chronoseg keys`."},
    "basic": {"type": "http", "scheme": "basic", "description": "Any name, and the key as its password: QGIS, GDAL."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
"""How a key is sent, as the OpenAPI document tells it."""

SAFE = ("GET", "HEAD", "OPTIONS")


async def identify(request: Request, here: Here) -> Identity:
    """Return whose the request is.

    A key comes as `Authorization: Bearer KEY`, as the password of `Authorization: Basic` (which QGIS and GDAL can send;
    the name does not matter), or as `X-API-Key`. Where an OIDC issuer is set, its tokens come in the same places. What
    was checked within the last second (`service.recent`) is not checked again.

    Raises:
        CredentialsMissing: there are keys, and the request has none.
        KeyInvalid, TokenInvalid: what it has is not taken.
        IssuerUnavailable: its token cannot be checked.
        OriginRefused: there are no keys, and the request is led here by another site.
        RateExceeded: the owner has sent as many requests as a minute allows.
    """
    credential = _credential_of(request)
    identity = here.recent.find(credential)
    if identity is None:
        identity = await run_in_threadpool(_checked, here, credential)
        here.recent.keep(credential, identity)
    if identity is EVERYBODY:
        _check_origin(request, here.settings)
    if here.rate.limited:
        await run_in_threadpool(here.rate.spend, identity.owner)
    return identity


def schemes_of(settings: Settings) -> dict[str, Any]:
    """Return how a request says whose it is, as the OpenAPI document tells it."""
    if not settings.oidc_issuer:
        return SCHEMES
    discovery = settings.oidc_issuer.rstrip("/") + DISCOVERY
    return {**SCHEMES, "oidc": {"type": "openIdConnect", "openIdConnectUrl": discovery}}


async def owner_reading(identity: Annotated[Identity, Depends(identify)]) -> str:
    """Return the owner of a request that reads."""
    return _owner(identity, READ)


async def owner_writing(identity: Annotated[Identity, Depends(identify)]) -> str:
    """Return the owner of a request that changes something."""
    return _owner(identity, WRITE)


async def owner_administering(identity: Annotated[Identity, Depends(identify)]) -> str:
    """Return the owner of a request that concerns all owners."""
    return _owner(identity, ADMIN)


Reader = Annotated[str, Depends(owner_reading)]
Writer = Annotated[str, Depends(owner_writing)]
"""Whose scenes and jobs a route may read, or change."""


def check_address(host: str, sessions: sessionmaker[Session], settings: Settings) -> bool:
    """Refuse to open an unguarded service to others than this machine.

    Returns:
        Whether keys or an issuer guard it.

    Raises:
        ServeRefused: saying how to guard it.
    """
    with sessions() as session:
        guarded = bool(settings.oidc_issuer) or any_keys(session)
    if not (guarded or is_loopback(host) or settings.keyless == "anywhere"):
        raise ServeRefused(
            f"{host} can be reached from elsewhere, and no key guards the service: make one with "
            "`chronoseg keys create OWNER`, or listen on 127.0.0.1; where something else keeps others out, set "
            "CHRONOSEG_KEYLESS=anywhere"
        )
    return guarded


def _owner(identity: Identity, scope: str) -> str:
    if not identity.may(scope):
        if identity is EVERYBODY:
            raise ScopeMissing("nobody has a key yet: the first is made by `chronoseg keys create OWNER --scope admin`")
        held = ", ".join(sorted(identity.scopes))
        raise ScopeMissing(f"this needs a key or token with the scope {scope}; this one has {held or 'none'}")
    return identity.owner


def _checked(here: Context, credential: str | None) -> Identity:
    if credential is not None and here.issuer is not None and looks_like_token(credential):
        return here.issuer.identify(credential)
    with here.sessions() as session:
        if credential is not None:
            return check_key(session, credential)
        if here.issuer is not None or any_keys(session):
            what = "a key" if here.issuer is None else "a key or a token"
            raise CredentialsMissing(f"this service asks for {what}: send it as `Authorization: Bearer ...`")
    return EVERYBODY


def _credential_of(request: Request) -> str | None:
    """Return the key or token that a request carries, or None; several are as wrong as an unreadable one."""
    header = request.headers.get("authorization", "")
    if header:
        scheme, _, value = header.partition(" ")
        value = value.strip()
        if scheme.lower() == "bearer":
            return value
        if scheme.lower() == "basic":
            return _password(value)
        raise KeyInvalid(f"expected Authorization: Bearer KEY, or Basic; got the scheme {scheme[:20]!r}")
    return request.headers.get("x-api-key")


def _password(value: str) -> str:
    try:
        _, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as err:
        raise KeyInvalid("the name and password of Authorization: Basic cannot be read") from err
    return password


def _check_origin(request: Request, settings: Settings) -> None:
    if settings.keyless != "anywhere" and not is_loopback(request.url.hostname or ""):
        raise OriginRefused(
            f"without keys this service answers to 127.0.0.1 and localhost only; got {request.url.hostname!r}"
        )
    origin = request.headers.get("origin")
    if request.method in SAFE or origin is None:
        return
    if urlsplit(origin).netloc != request.url.netloc and origin not in settings.cors_origins:
        raise OriginRefused(
            f"without keys this service takes nothing from pages of other sites; got {origin[:100]!r}, which "
            "CHRONOSEG_CORS_ORIGINS does not name"
        )
