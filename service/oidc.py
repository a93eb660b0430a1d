"""Tokens of an OIDC issuer: who asks is whom the issuer says, and may do what it says. API keys go on beside them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from service.errors import TokenInvalid
from service.issuer_keys import ALGORITHMS, IssuerKeys
from workers.keys import SCOPES, Identity
from workers.settings import Settings

LEEWAY_S = 30
"""By how much the issuer's clock may differ from ours."""

_TYPES = {None, "jwt", "at+jwt", "application/at+jwt"}
_FORM = re.compile(r"eyJ[A-Za-z0-9_-]{1,4000}\.[A-Za-z0-9_-]{1,16000}\.[A-Za-z0-9_-]{0,4000}")
_PREFIX = "chronoseg:"


def looks_like_token(credential: str) -> bool:
    """Tell a JWT from an API key by its form: three parts, the first a JSON object in base64."""
    return _FORM.fullmatch(credential) is not None


def issuer_of(settings: Settings) -> Issuer | None:
    """Return the issuer whose tokens are taken, if there is one."""
    if not settings.oidc_issuer:
        return None
    return Issuer(
        IssuerKeys(settings.oidc_issuer),
        settings.oidc_audience,
        settings.oidc_owner_claim,
        (settings.oidc_scopes_claim,) if settings.oidc_scopes_claim else ("scope", "scp"),
    )


def owner_of(issuer: str, claim: str, value: str) -> str:
    """Return the owner behind a claim: never one that a key could have, nor another issuer's or another claim's."""
    digest = hashlib.sha256("\0".join((issuer, claim, value)).encode("utf-8", "surrogatepass"))
    return f"oidc:{digest.hexdigest()[:40]}"


@dataclass(frozen=True)
class Issuer:
    """An OIDC issuer, and what its tokens say here.

    Attributes:
        keys: its keys.
        audience: what `aud` must name: this service, as the issuer knows it.
        owner_claim: claim that tells whose the request is.
        scope_claims: claims that tell what it may do, the first that is there counts.
    """

    keys: IssuerKeys
    audience: str
    owner_claim: str = "sub"
    scope_claims: tuple[str, ...] = ("scope", "scp")

    def identify(self, token: str) -> Identity:
        """Tell whose a token is.

        Raises:
            TokenInvalid: it is not of this issuer, not for this service, or its time is over.
            IssuerUnavailable: the issuer's keys cannot be had, so nobody knows.
        """
        claims = self._claims(token)
        value = claims.get(self.owner_claim)
        if not isinstance(value, str) or not value:
            raise TokenInvalid(f"expected a token that tells whose it is in the claim {self.owner_claim!r}")
        return Identity(owner_of(self.keys.issuer, self.owner_claim, value), self._scopes(claims))

    def _claims(self, token: str) -> dict[str, Any]:
        import jwt

        try:
            header = jwt.get_unverified_header(token)
            algorithm, kind = header.get("alg"), header.get("typ")
            if algorithm not in ALGORITHMS:
                raise TokenInvalid(f"expected a token signed by {', '.join(ALGORITHMS)}; got {str(algorithm)[:20]!r}")
            if (kind.lower() if isinstance(kind, str) else kind) not in _TYPES:
                raise TokenInvalid(f"expected a token of the type JWT or at+jwt; got {str(kind)[:40]!r}")
            key = self.keys.find(header.get("kid"), algorithm)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self.audience,
                issuer=self.keys.issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iat", "iss", "aud"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as err:
            raise TokenInvalid(f"the token is not taken: {_reason(err)}; get a new one") from err
        return claims

    def _scopes(self, claims: dict[str, Any]) -> frozenset[str]:
        told = next((claims[name] for name in self.scope_claims if name in claims), "")
        names = told.split() if isinstance(told, str) else told if isinstance(told, list) else []
        held = {name.removeprefix(_PREFIX) for name in names if isinstance(name, str)}
        return frozenset(held & set(SCOPES))


def _reason(err: Exception) -> str:
    """Return what is wrong with a token, in words of ours: a library's may repeat what was sent."""
    import jwt

    reasons: dict[type[Exception], str] = {
        jwt.ExpiredSignatureError: "it has expired",
        jwt.ImmatureSignatureError: "its time has not come yet",
        jwt.InvalidAudienceError: "it is meant for another service (aud)",
        jwt.InvalidIssuerError: "it is of another issuer (iss)",
        jwt.InvalidSignatureError: "its signature does not fit",
        jwt.MissingRequiredClaimError: "it needs exp, iat, iss and aud",
    }
    return next((text for kind, text in reasons.items() if isinstance(err, kind)), "it cannot be read")
