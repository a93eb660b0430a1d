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

    # Celery reads the names of functions, and cannot register lambdas.
    def ingest(scene_id: str) -> None:
        ingest_scene(place, scene_id)

    def plan(job_id: str) -> None:
        plan_job(place, job_id)

    def segment(job_id: str, index: int) -> None:
        segment_block(place, job_id, index)

    def assemble(job_id: str) -> None:
        assemble_job(place, job_id)

    for kind, work in ((INGEST, ingest), (PLAN, plan), (SEGMENT, segment), (ASSEMBLE, assemble)):
        celery.task(name=kind.name)(work)
