"""A worker process: `python -m workers.main [gpu] [io]`, or `chronoseg worker`."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import structlog
from celery import Celery
from celery.signals import setup_logging, worker_ready, worker_shutting_down

from workers.app import celery_app
from workers.courier import deliver_until
from workers.database import migrate, open_database
from workers.kinds import QUEUES
from workers.logs import log_as_json
from workers.scratch import own_scratch
from workers.settings import Settings
from workers.store import open_store
from workers.sweep import sweep_until
from workers.workplace import Workplace

IO_THREADS = 2

log = structlog.get_logger()


def run_worker(settings: Settings, queues: Sequence[str] = QUEUES) -> None:
    """Work until told to end by SIGTERM or SIGINT; what is under way then is given back at the next date.

    A worker of `io` alone does two things at a time, in threads: reading uploads happens in child processes
    anyway. One that serves `gpu`, too or alone, does one thing at a time: a network is to have its device,
    and the machine's cores, for itself.
    """
    from workers.tasks import register_tasks

    if not queues or not set(queues) <= set(QUEUES):
        raise ValueError(f"expected queues out of {', '.join(QUEUES)}; got {', '.join(queues) or 'none'}")
    log_as_json()
    migrate(settings.database)
    celery = celery_app(settings)
    with own_scratch(settings.scratch) as scratch:
        place = Workplace(settings, open_database(settings.database), open_store(settings), celery, scratch)
        register_tasks(celery, place)
        done = threading.Event()
        beside = {"sweep": sweep_until, **({"courier": deliver_until} if "io" in queues else {})}
        threads = [threading.Thread(target=does, args=(place, done), name=n, daemon=True) for n, does in beside.items()]
        for thread in threads:
            thread.start()
        try:
            _consume(celery, place, queues)
        finally:
            done.set()
            for thread in threads:
                thread.join(timeout=10)


def _consume(celery: Celery, place: Workplace, queues: Sequence[str]) -> None:
    def keep_our_log(**_: Any) -> None:
        """Being connected is enough: Celery then leaves logging alone."""

    def stop(**_: Any) -> None:
        place.stopping.set()

    def ready(**_: Any) -> None:
        log.info("worker ready", queues=list(queues))

    setup_logging.connect(keep_our_log)
    worker_shutting_down.connect(stop)
    worker_ready.connect(ready)
    io_only = set(queues) == {"io"}
    worker = celery.Worker(
        hostname=f"{'-'.join(queues)}-{uuid4().hex[:8]}@{socket.gethostname()}",
        pool="threads" if io_only else "solo",
        concurrency=IO_THREADS if io_only else 1,
        queues=list(queues),
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        loglevel="WARNING",
    )
    worker.start()
    log.info("worker ended", code=worker.exitcode)


if __name__ == "__main__":
    run_worker(Settings(), sys.argv[1:] or QUEUES)
