"""The Celery tasks: each calls the work of its name. Their arguments are the primary key of a record."""

from __future__ import annotations

from celery import Celery

from workers.assembling import assemble_job
from workers.ingesting import ingest_scene
from workers.kinds import ASSEMBLE, INGEST, PLAN, SEGMENT
from workers.preparing import plan_job
from workers.segmenting import segment_block
from workers.workplace import Workplace


def register_tasks(celery: Celery, place: Workplace) -> None:
    """Make a Celery app able to do the work of all four kinds at this place."""
    celery.task(name=INGEST.name)(lambda scene_id: ingest_scene(place, scene_id))
    celery.task(name=PLAN.name)(lambda job_id: plan_job(place, job_id))
    celery.task(name=SEGMENT.name)(lambda job_id, index: segment_block(place, job_id, index))
    celery.task(name=ASSEMBLE.name)(lambda job_id: assemble_job(place, job_id))
