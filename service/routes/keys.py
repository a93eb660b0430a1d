"""Keys over HTTP, for those whose key has the scope admin; the same as `chronoseg keys`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from service.context import Here
from service.headers import NO_STORE
from service.identity import owner_administering
from service.links import href
from workers import keys
from workers.database import writing
from workers.links import link
from workers.records import now, stamp

router = APIRouter(prefix="/keys", tags=["keys"], dependencies=[Depends(owner_administering)])

_MAX_DAYS = 36_500


class NewKey(BaseModel):
    """A key that is to be made."""

    model_config = ConfigDict(extra="forbid", strict=True)

    owner: Annotated[str, Field(pattern=rf"^{keys.OWNER.pattern}$", description="Whose scenes and jobs it is for.")]
    scopes: Annotated[list[Literal["read", "write", "admin"]], Field(min_length=1, max_length=3)] = ["write"]
    expires_days: Annotated[float | None, Field(gt=0, le=_MAX_DAYS, description="Days until it ends.")] = None


class Rotation(BaseModel):
    """How long the old secret is still taken."""

    model_config = ConfigDict(extra="forbid", strict=True)

    grace_hours: Annotated[float, Field(ge=0, le=24 * _MAX_DAYS)] = 24.0


@router.get("", summary="All keys, newest first")
def list_keys(request: Request, here: Here) -> dict[str, Any]:
    """Return every key but its secret."""
    with here.sessions() as session:
        found = keys.list_keys(session)
    return {"keys": [_told(one) for one in found], "links": [link("self", href(request, "/keys"))]}


@router.post("", status_code=201, summary="Make a key")
def create(wanted: NewKey, request: Request, here: Here) -> JSONResponse:
    """Make a key; the answer is the only one that holds it whole."""
    expires = None if wanted.expires_days is None else now() + timedelta(days=wanted.expires_days)
    with writing(here.sessions) as session:
        record, key = keys.create_key(session, wanted.owner, wanted.scopes, expires)
    here.recent.forget()
    return JSONResponse({**_told(record), "key": key}, 201, headers={**NO_STORE, "Location": href(request, "/keys")})


@router.post("/{key_id}/rotation", summary="Give a key a new secret")
def rotate(key_id: str, wanted: Rotation, here: Here) -> JSONResponse:
    """Return the key with its new secret; the old one is taken for a time of grace."""
    with writing(here.sessions) as session:
        record, key = keys.rotate_key(session, key_id, timedelta(hours=wanted.grace_hours))
    here.recent.forget()
    return JSONResponse({**_told(record), "key": key}, headers=NO_STORE)


@router.delete("/{key_id}", status_code=204, summary="Revoke a key")
def revoke(key_id: str, here: Here) -> Response:
    """Refuse a key from now on, for good."""
    with writing(here.sessions) as session:
        keys.revoke_key(session, key_id)
    here.recent.forget()
    return Response(status_code=204)


def _told(record: keys.KeyRecord) -> dict[str, Any]:
    times = {"created": record.created, "expires": record.expires, "rotated": record.rotated, "revoked": record.revoked}
    return {
        "id": record.id,
        "owner": record.owner,
        "scopes": record.scopes,
        **{name: stamp(time) for name, time in times.items() if time is not None},
    }
