"""Sending messages. They may get lost or come twice: the database is the truth, and the sweep sends again."""

from __future__ import annotations

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from workers.kinds import KINDS

log = structlog.get_logger()


def send(celery: Celery, kind: str, *ids: str | int) -> bool:
    """Send the message for one piece of work whose record is committed.

    Args:
        celery: from `workers.app.celery_app`.
        kind: ingest_scene, plan_job, segment_block or assemble_job.
        ids: the task's arguments.

    Returns:
        Whether the message went out. It need not worry the caller: the sweep sends it again later.
    """
    try:
        celery.send_task(kind, args=ids, queue=KINDS[kind].queue, ignore_result=True)
    except (OperationalError, RedisError, OSError) as err:
        log.warning("message not sent", task=kind, ids=ids, error=str(err))
        return False
    return True


def queued(celery: Celery, queue: str) -> int:
    """Return how many messages wait in a queue.

    Raises:
        OperationalError: Redis cannot be reached.
    """
    with celery.connection_for_read() as connection:
        try:
            return int(connection.default_channel.client.llen(queue))
        except RedisError as err:
            raise OperationalError(str(err)) from err
