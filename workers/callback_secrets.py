"""What signs an owner's callbacks: a secret of each owner, so that nobody's receiver can forge calls to another's.

Source: Standard Webhooks 1.0.0 (standardwebhooks.com): headers, what is signed, and how the secret is written.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

from sqlalchemy import Float, String, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from workers.database import epoch
from workers.records import Record

GRACE_S = 24 * 3600.0
"""How long the secret before the last signs beside it, so that receivers can change over one by one."""

_PREFIX = "whsec_"
_BYTES = 32


class CallbackSecretRecord(Record):
    """The secret of an owner, as the owner is shown it; the one before it signs until `old_until` (epoch seconds)."""

    __tablename__ = "callback_secrets"

    owner: Mapped[str] = mapped_column(String(64), primary_key=True)
    secret: Mapped[str] = mapped_column(String(64))
    old_secret: Mapped[str] = mapped_column(String(64), default="")
    old_until: Mapped[float] = mapped_column(Float, default=0.0)


def secret_of(session: Session, owner: str) -> str:
    """Return an owner's secret; it is made when it is first asked for."""
    found = session.get(CallbackSecretRecord, owner, populate_existing=True)
    if found is None:
        found = CallbackSecretRecord(owner=owner, secret=_new())
        try:
            with session.begin_nested():
                session.add(found)
        except IntegrityError:  # another request was quicker
            found = session.get_one(CallbackSecretRecord, owner, populate_existing=True)
    return found.secret


def signing_secrets(session: Session, owner: str) -> list[str]:
    """Return what signs an owner's callbacks now, the newest first: one secret, two after a change, none if none is."""
    record = session.get(CallbackSecretRecord, owner, populate_existing=True)
    if record is None:
        return []
    old_signs = record.old_secret and (session.scalar(select(epoch())) or 0.0) < record.old_until
    return [record.secret, record.old_secret] if old_signs else [record.secret]


def renew_secret(session: Session, owner: str, grace_s: float = GRACE_S) -> str:
    """Give an owner another secret; the old one signs beside it for a time. In the caller's transaction."""
    secret_of(session, owner)
    record = session.get_one(CallbackSecretRecord, owner)
    record.old_secret, record.old_until = record.secret, (session.scalar(select(epoch())) or 0.0) + grace_s
    record.secret = _new()
    return record.secret


def signature(signing: Sequence[str], message_id: str, sent: int, body: bytes) -> dict[str, str]:
    """Return the headers by which a receiver knows that a message is ours, whole and fresh.

    Args:
        signing: secrets; a receiver that knows one of them is content.
        message_id: names the message; the same at every attempt to deliver it.
        sent: epoch seconds.
        body: what is signed with them.
    """
    signed = f"{message_id}.{sent}.".encode() + body
    digests = (hmac.digest(base64.b64decode(one.removeprefix(_PREFIX)), signed, hashlib.sha256) for one in signing)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(sent),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests),
    }


def _new() -> str:
    return _PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()
