"""Whom a job calls back: the addresses that came with its execution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Boolean, Float, ForeignKey, Integer, String, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from workers.callback_secrets import secret_of
from workers.errors import AddressRefused
from workers.outbound import OutboundRules, check_url
from workers.records import JobRecord, Record
from workers.settings import Settings


def rules_of(settings: Settings) -> OutboundRules:
    """Return where callbacks may go."""
    targets = settings.callback_targets
    return OutboundRules(sources=None if "*" in targets else targets, private_hosts=settings.private_hosts)


def check_target(url: str, settings: Settings) -> None:
    """Refuse an address to call back by its form.

    Raises:
        AddressRefused: it is none that this service calls.
    """
    if not settings.callback_targets:
        raise AddressRefused("this service calls nobody back; ask for the job's status, or follow its events")
    check_url(url, rules_of(settings))


def subscribe(session: Session, job: JobRecord, subscriber: Subscriber) -> None:
    """Keep whom a job is to call back, within the transaction that creates it."""
    secret_of(session, job.owner)
    session.add_all(
        CallbackRecord(job_id=job.id, event=event, url=url, base=subscriber.base)
        for event, url in subscriber.urls.items()
    )


def callbacks_of(session: Session, job_id: str) -> list[dict[str, Any]]:
    """Tell how a job's callbacks stand."""
    wanted = select(CallbackRecord).where(CallbackRecord.job_id == job_id)
    return [
        {"event": one.event, "uri": one.url, "over": one.over, "attempts": one.tries, "outcome": one.outcome}
        for one in session.scalars(wanted.order_by(CallbackRecord.event))
    ]


class Event(StrEnum):
    """What a receiver may ask to be told."""

    SUCCESS = "success"
    FAILED = "failed"
    IN_PROGRESS = "in-progress"


@dataclass(frozen=True)
class Subscriber:
    """Whom a job is to call back.

    Attributes:
        base: address of the service as the client sees it, without a slash at its end.
        urls: checked addresses by event; there is one for success.
    """

    base: str
    urls: Mapping[Event, str]


class CallbackRecord(Record):
    """One address of a job's subscriber.

    `base` is the address of the service as the client saw it. `due` (epoch seconds of the database's clock) is when the
    next attempt may begin; who takes it moves that on, and so holds it. `told` names what was accepted last, and
    `outcome` says how the last attempt went. It is `over` once there is nothing more to tell.
    """

    __tablename__ = "callbacks"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    event: Mapped[str] = mapped_column(String(16), primary_key=True)
    url: Mapped[str] = mapped_column(Text)
    base: Mapped[str] = mapped_column(Text)
    due: Mapped[float] = mapped_column(Float, default=0.0)
    tries: Mapped[int] = mapped_column(Integer, default=0)
    told: Mapped[str] = mapped_column(String(32), default="")
    outcome: Mapped[str] = mapped_column(Text, default="")
    over: Mapped[bool] = mapped_column(Boolean, default=False, index=True)
