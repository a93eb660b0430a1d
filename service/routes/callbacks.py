"""What signs the calls that an owner's jobs make, for the owner's receivers to check them by."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from service.context import Here
from service.headers import NO_STORE
from service.identity import Writer
from workers.callback_secrets import GRACE_S, renew_secret, secret_of
from workers.database import writing

router = APIRouter(prefix="/callback-secret", tags=["jobs"])


@router.get("", summary="Secret that signs your jobs' callbacks")
def secret(here: Here, owner: Writer) -> JSONResponse:
    """Return the owner's secret, `whsec_...`, as libraries for Standard Webhooks take it."""
    with writing(here.sessions) as session:
        return JSONResponse({"secret": secret_of(session, owner)}, headers=NO_STORE)


@router.post("", summary="Another secret for your jobs' callbacks")
def renew(
    here: Here,
    owner: Writer,
    grace_hours: Annotated[float, Query(ge=0, le=8760, description="How long the old secret signs beside it.")] = (
        GRACE_S / 3600
    ),
) -> JSONResponse:
    """Return a new secret. Calls have both signatures for a time, so that receivers can change over one by one."""
    with writing(here.sessions) as session:
        return JSONResponse({"secret": renew_secret(session, owner, 3600 * grace_hours)}, headers=NO_STORE)
