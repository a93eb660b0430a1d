"""The sweep: puts abandoned work back, sends lost messages again, removes what is left over.

Every worker sweeps; each step is an atomic update, so that sweeping at once is harmless.
"""

from __future__ import annotations

import threading

import structlog
from kombu.exceptions import OperationalError as BrokerAway
from sqlalchemy import func, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from workers.attempts import give_up
from workers.cleaning import clean_all, remove_orphans
from workers.database import changed_rows, epoch, writing
from workers.dispatch import queued, send
from workers.errors import StoreUnavailable
from workers.idempotency import forget_old_keys
from workers.kinds import INGEST, KINDS, QUEUES, Key, Kind, kinds_of
from workers.scratch import remove_stale
from workers.workplace import Workplace

log = structlog.get_logger()

ORPHANS_EVERY_S = 3600.0
BATCH = 1000


def sweep_until(place: Workplace, done: threading.Event) -> None:
    """Sweep again and again; a service that is away makes a sweep incomplete, never the last."""
    since_orphans = ORPHANS_EVERY_S
    while not done.is_set():
        try:
            sweep(place)
            if since_orphans >= ORPHANS_EVERY_S:
                remove_orphans(place.sessions, place.store)
                since_orphans = 0.0
        except (SQLAlchemyError, StoreUnavailable, BrokerAway) as err:
            log.warning("sweep incomplete", error=str(err))
        except Exception:
            log.exception("sweep failed")
        since_orphans += place.settings.sweep_s
        done.wait(place.settings.sweep_s)


def sweep(place: Workplace) -> None:
    """Sweep once."""
    for kind in KINDS.values():
        put_back(place, kind)
        fail_exhausted(place, kind)
    remove_stale(place.settings.scratch)
    for queue in QUEUES:
        send_again(place, queue)
    clean_all(place.sessions, place.store)
    with writing(place.sessions) as session:
        forget_old_keys(session)


def put_back(place: Workplace, kind: Kind) -> int:
    """Free the work whose lease ran out; return how much."""
    record = kind.record
    expired = (*kind.live(), record.lease_token != "", record.lease_until < epoch())
    with writing(place.sessions) as session:
        freeing = update(record).where(*expired).values(lease_token="", lease_until=0.0, sent_at=0.0)
        count = changed_rows(session, freeing)
    if count:
        log.warning("abandoned work put back", task=kind.name, count=count)
    return count


def fail_exhausted(place: Workplace, kind: Kind) -> None:
    """Let work fail that was abandoned too often."""
    record = kind.record
    with writing(place.sessions) as session:
        spent = session.execute(
            select(*kind.key_columns(), record.attempts).where(
                *kind.live(), record.lease_token == "", record.attempts > place.settings.max_attempts
            )
        ).all()
        for *key, attempts in spent:
            give_up(session, kind, tuple(key), _spent(kind, attempts))
            log.error("given up", task=kind.name, key=key, attempts=attempts)


def send_again(place: Workplace, queue: str) -> int:
    """Send the work again whose message must be lost; return how much.

    Put-back work is sent at once. Of the rest, as much is sent as there is more work waiting than there are
    messages in the queue, that which was sent longest ago first; so messages that are lost, even by wiping
    Redis, come again soon, and a long queue does not fill up with repetitions.
    """
    kinds, sent = kinds_of([queue]), 0
    lost = sum(_waiting(place, kind) for kind in kinds) - queued(place.celery, queue)
    for kind in kinds:
        for key in _mark_as_sent(place, kind, max(lost - sent, 0)):
            if not send(place.celery, kind.name, *key):
                return sent
            sent += 1
    return sent


def _waiting(place: Workplace, kind: Kind) -> int:
    with place.sessions() as session:
        counted = select(func.count()).select_from(kind.record).where(*kind.live(), kind.record.lease_token == "")
        return session.scalar(counted) or 0


def _mark_as_sent(place: Workplace, kind: Kind, lost: int) -> list[Key]:
    """Choose what to send, and stamp it so that no other sweep sends it too."""
    record, grace_s = kind.record, 2 * place.settings.sweep_s
    idle = (*kind.live(), record.lease_token == "")
    put_back_or_old = or_(record.sent_at == 0.0, record.sent_at < epoch() - grace_s)
    with writing(place.sessions) as session:
        found = session.execute(
            select(*kind.key_columns(), record.sent_at)
            .where(*idle, put_back_or_old)
            .order_by(record.sent_at)
            .limit(BATCH)
        ).all()
        new = [tuple(key) for *key, sent_at in found if sent_at == 0.0]
        old = [(tuple(key), sent_at) for *key, sent_at in found if sent_at > 0.0]
        chosen = [(key, 0.0) for key in new] + old[: max(lost - len(new), 0)]
        keys: list[Key] = []
        for key, sent_at in chosen:
            stamping = update(record).where(*kind.identified(key), *idle, record.sent_at == sent_at)
            if changed_rows(session, stamping.values(sent_at=epoch())) == 1:
                keys.append(key)
    return keys


def _spent(kind: Kind, attempts: int) -> str:
    if kind is INGEST:
        return (
            f"reading the file was begun {attempts} times, and each time its worker crashed or was killed; "
            "the file may be too large for this service"
        )
    return (
        f"the work {kind.name} was begun {attempts} times, and each time its worker crashed or was killed; "
        "the operator finds more in the log"
    )
