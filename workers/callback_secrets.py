"""What signs an owner's callbacks: a secret of each owner, so that nobody's receiver can forge calls to another's.

Source: Standard Webhooks 1.0.0 (standardwebhooks.com): headers, what is signed, and how the secret is written.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from sqlalchemy import String
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from workers.records import Record

_PREFIX = "whsec_"
_BYTES = 32


class CallbackSecretRecord(Record):
    """The secret of an owner, as the owner is shown it."""

    __tablename__ = "callback_secrets"

    owner: Mapped[str] = mapped_column(String(64), primary_key=True)
    secret: Mapped[str] = mapped_column(String(64))


def secret_of(session: Session, owner: str) -> str:
    """Return the secret that signs an owner's callbacks; it is made when it is first asked for."""
    found = session.get(CallbackSecretRecord, owner, populate_existing=True)
    if found is None:
        found = CallbackSecretRecord(owner=owner, secret=_new())
        try:
            with session.begin_nested():
                session.add(found)
        except IntegrityError:  # another request was quicker
            found = session.get_one(CallbackSecretRecord, owner, populate_existing=True)
    return found.secret


def renew_secret(session: Session, owner: str) -> str:
    """Give an owner another secret; the old one signs nothing any more. In the caller's transaction."""
    secret_of(session, owner)
    record = session.get_one(CallbackSecretRecord, owner)
    record.secret = _new()
    return record.secret


def signature(secret: str, message_id: str, sent: int, body: bytes) -> dict[str, str]:
    """Return the headers by which a receiver knows that a message is ours, whole and fresh.

    Args:
        secret: from `secret_of`.
        message_id: names the message; the same at every attempt to deliver it.
        sent: epoch seconds.
        body: what is signed with them.
    """
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    signed = hmac.new(key, f"{message_id}.{sent}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(sent),
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


def _new() -> str:
    return _PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()
