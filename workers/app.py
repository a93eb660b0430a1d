"""The Celery app: how messages travel. Importing it imports neither networks nor GDAL."""

from __future__ import annotations

from celery import Celery

from workers.settings import Settings

_REDELIVER_S = 6 * 3600
"""When Redis delivers a message again that was not acknowledged. Long: the sweep sends abandoned work again
within seconds of its lease's end, and a message for work that is held or done is dropped on arrival."""


def celery_app(settings: Settings) -> Celery:
    """Return the app that sends messages; `workers.tasks.register_tasks` makes it able to work, too."""
    app = Celery("chronoseg", broker=settings.broker_url, set_as_current=False)
    app.conf.update(
        task_default_queue="io",
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_publish_retry=False,
        worker_prefetch_multiplier=1,
        worker_send_task_events=False,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=3,
        broker_heartbeat=0,
        broker_transport_options={
            "visibility_timeout": _REDELIVER_S,
            "socket_connect_timeout": 3,
            "socket_timeout": 30,
            "socket_keepalive": True,
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0.1,
        },
    )
    return app
