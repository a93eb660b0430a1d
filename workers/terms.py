"""On what terms a job is taken in: what comes with its inputs, and what its owner may have."""

from __future__ import annotations

from dataclasses import dataclass

from workers.idempotency import Once
from workers.results import Wanted
from workers.subscribers import Subscriber


@dataclass(frozen=True)
class Terms:
    """What comes with a job's inputs.

    Attributes:
        once: the client's key, where it gave one: of all requests with the key, the first makes the job, and the others
            are given it.
        subscriber: whom the job is to call back.
        wanted: of its results; None: all, by reference.
    """

    once: Once | None = None
    subscriber: Subscriber | None = None
    wanted: Wanted | None = None


@dataclass(frozen=True)
class Limits:
    """What an owner may have; 0 = any number.

    Attributes:
        at_once: most jobs under way.
        stored_mb: most megabytes stored; a job begins only where there is room left.
    """

    at_once: int = 0
    stored_mb: int = 0


PLAIN = Terms()
UNLIMITED = Limits()
