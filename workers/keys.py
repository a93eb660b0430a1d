"""API keys: whose requests they are, and what these may do. A key's secret is shown once and never stored.

A key is `cs_ID_SECRET`. The secret has 256 random bits: its SHA-256 tells as little as a slow hash would, and is quick
enough for every request.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import JSON, ColumnElement, String, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from workers.errors import KeyInvalid, KeyUnknown, OwnerRefused
from workers.items import ItemRecord
from workers.records import JobRecord, Record, SceneRecord, UtcDateTime, now
from workers.uploads import UploadRecord

READ, WRITE, ADMIN = "read", "write", "admin"
SCOPES = (READ, WRITE, ADMIN)
"""`write` lets read, too; `admin` lets do everything, keys of all owners included."""

OWNER = re.compile(r"[a-z0-9][a-z0-9._-]{0,47}")
"""Names of owners that have keys. There is no colon, which those of tokens have (`service.oidc`)."""

GRACE = timedelta(hours=24)
"""How long the secret before the last is taken after a rotation, unless one says otherwise."""

_KEY = re.compile(r"cs_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


class KeyRecord(Record):
    """A key; rows are never deleted, so that a service that once had keys never opens by itself.

    `digest` is the SHA-256 of the secret, `old_digest` that of the secret before it, which is taken until `old_until`.
    """

    __tablename__ = "keys"

    id: Mapped[str] = mapped_column(String(12), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64), index=True)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    digest: Mapped[str] = mapped_column(String(64))
    old_digest: Mapped[str] = mapped_column(String(64), default="")
    old_until: Mapped[datetime | None] = mapped_column(UtcDateTime, nullable=True)
    created: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    expires: Mapped[datetime | None] = mapped_column(UtcDateTime, nullable=True)
    rotated: Mapped[datetime | None] = mapped_column(UtcDateTime, nullable=True)
    revoked: Mapped[datetime | None] = mapped_column(UtcDateTime, nullable=True)


@dataclass(frozen=True)
class Identity:
    """Whose a request is, and what it may do.

    Attributes:
        owner: everything that it sees and makes is this owner's; "" where nobody has a key.
        scopes: of `SCOPES`.
    """

    owner: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Tell whether a scope is held, or is part of one that is."""
        return scope in self.scopes or ADMIN in self.scopes or (scope == READ and WRITE in self.scopes)


def any_keys(session: Session) -> bool:
    """Tell whether there ever was a key: then every request needs one."""
    return session.scalar(select(KeyRecord.id).limit(1)) is not None


def create_key(
    session: Session, owner: str, scopes: Sequence[str], expires: datetime | None = None
) -> tuple[KeyRecord, str]:
    """Make a key; the caller commits.

    Args:
        session: with or without a transaction under way.
        owner: whose requests it will be.
        scopes: of `SCOPES`, one or more.
        expires: time from which on it is refused; None = never.

    Returns:
        The record, and the key itself, which nobody can tell again.

    Raises:
        OwnerRefused: the name is none, or a scope is unknown.
    """
    if not OWNER.fullmatch(owner):
        raise OwnerRefused(
            f"expected an owner of 1 to 48 lower-case letters, digits, '.', '_' and '-'; got {owner[:60]!r}"
        )
    if not scopes or not set(scopes) <= set(SCOPES):
        raise OwnerRefused(f"expected scopes out of {', '.join(SCOPES)}; got {', '.join(scopes) or 'none'}")
    secret = secrets.token_urlsafe(32)
    held = [scope for scope in SCOPES if scope in scopes]
    record = KeyRecord(id=secrets.token_hex(6), owner=owner, scopes=held, digest=_digest(secret), expires=expires)
    session.add(record)
    session.flush()
    return record, f"cs_{record.id}_{secret}"


def rotate_key(session: Session, key_id: str, grace: timedelta = GRACE) -> tuple[KeyRecord, str]:
    """Give a key a new secret; the old one is taken for a time of grace. The caller commits.

    Raises:
        KeyUnknown: no such key, or it was revoked.
    """
    record = find_key(session, key_id)
    if record.revoked is not None:
        raise KeyUnknown(f"key {key_id} was revoked: make a new one")
    secret = secrets.token_urlsafe(32)
    record.old_digest, record.old_until = record.digest, now() + grace
    record.digest, record.rotated = _digest(secret), now()
    return record, f"cs_{record.id}_{secret}"


def revoke_key(session: Session, key_id: str) -> KeyRecord:
    """Refuse a key from now on, for good; the caller commits.

    Raises:
        KeyUnknown: no such key.
    """
    record = find_key(session, key_id)
    record.revoked = record.revoked or now()
    return record


def find_key(session: Session, key_id: str) -> KeyRecord:
    """Return a key's record.

    Raises:
        KeyUnknown: no such key.
    """
    record = session.get(KeyRecord, key_id)
    if record is None:
        raise KeyUnknown(f"no key {key_id[:40]!r}; `chronoseg keys list` shows those that there are")
    return record


def list_keys(session: Session) -> list[KeyRecord]:
    """Return all keys, the newest first."""
    return list(session.scalars(select(KeyRecord).order_by(KeyRecord.created.desc(), KeyRecord.id)))


def check_key(session: Session, key: str) -> Identity:
    """Tell whose a key is.

    Raises:
        KeyInvalid: it is none, or has expired or was revoked; the message does not say which.
    """
    match = _KEY.fullmatch(key)
    record = session.get(KeyRecord, match[1]) if match else None
    given, time = _digest(match[2] if match else ""), now()
    current = record is not None and hmac.compare_digest(given, record.digest)
    old = record is not None and hmac.compare_digest(given, record.old_digest or "0" * 64)
    if record is not None and (current or (old and record.old_until is not None and time < record.old_until)):
        ended = record.revoked is not None or (record.expires is not None and time >= record.expires)
        if not ended:
            return Identity(record.owner, frozenset(record.scopes))
    raise KeyInvalid("the key is unknown, has expired or was revoked: ask whoever runs this service for another")


def adopt(session: Session, owner: str) -> tuple[int, int]:
    """Give an owner the scenes, jobs and unfinished uploads that were made while there was no key; the caller commits.

    A scene that the owner has sent, too, stays behind: the same bytes are one scene.

    Returns:
        How many scenes and jobs went over.
    """
    own = select(SceneRecord.sha256).where(SceneRecord.owner == owner)
    scenes = _hand_over(session, SceneRecord, owner, SceneRecord.sha256.not_in(own))
    jobs = _hand_over(session, JobRecord, owner)
    _hand_over(session, UploadRecord, owner)
    theirs = or_(ItemRecord.scene_id.in_(scenes), ItemRecord.job_id.in_(jobs))
    session.execute(update(ItemRecord).where(theirs).values(owner=owner).execution_options(synchronize_session=False))
    return len(scenes), len(jobs)


def _hand_over(
    session: Session,
    table: type[SceneRecord] | type[JobRecord] | type[UploadRecord],
    owner: str,
    *which: ColumnElement[bool],
) -> list[str]:
    changed = (
        update(table)
        .where(table.owner == "", *which)
        .values(owner=owner)
        .returning(table.id)
        .execution_options(synchronize_session=False)
    )
    return list(session.scalars(changed))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
