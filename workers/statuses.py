"""A job's record as the statusInfo of OGC API - Processes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from workers.jobs import FINAL
from workers.links import link
from workers.records import JobRecord, JobState, now, stamp
from workers.time_left import USUAL_SHARE, pace_of, usual_share

PROCESS = "segment"

STATUS = {
    JobState.ACCEPTED: "accepted",
    JobState.SEGMENTING: "running",
    JobState.ASSEMBLING: "running",
    JobState.SUCCESSFUL: "successful",
    JobState.FAILED: "failed",
    JobState.DISMISSED: "dismissed",
}
"""State of a job -> statusCode of the standard."""


def progress_pct(job: JobRecord) -> int:
    """Return how far a job is, 0-100: planning is 1, its blocks reach 95, its products the rest."""
    if job.state == JobState.SUCCESSFUL:
        return 100
    if job.state == JobState.ASSEMBLING:
        return 95
    if not job.blocks_total:
        return 0
    return 1 + 94 * min(job.blocks_done, job.blocks_total) // job.blocks_total


def message_of(job: JobRecord) -> str:
    """Return a line that says what a job is doing or how it ended."""
    if job.message:
        return job.message
    return {
        JobState.ACCEPTED: "waiting to be planned",
        JobState.SEGMENTING: f"{job.blocks_done} of {job.blocks_total} blocks",
        JobState.ASSEMBLING: "writing the products",
        JobState.SUCCESSFUL: "done",
        JobState.FAILED: "failed",
        JobState.DISMISSED: "dismissed",
    }[JobState(job.state)]


def status_document(job: JobRecord, base: str, share: float = USUAL_SHARE) -> dict[str, Any]:
    """Return the statusInfo of a job.

    Args:
        job: as the database has it.
        base: address of the service as the client sees it, without a slash at its end.
        share: from `share_for`; tells the time left of a job that is under way.
    """
    state = JobState(job.state)
    here = f"{base}/jobs/{job.id}"
    links = [link("self", here), link("monitor", f"{here}/events", "text/event-stream", "progress as it happens")]
    if state == JobState.SUCCESSFUL:
        results = "http://www.opengis.net/def/rel/ogc/1.0/results"
        links.append(link(results, f"{here}/results", title="products by name"))
        links.append(link("enclosure", f"{here}/results.zip", "application/zip", "all products as one zip"))
        links.append(link("alternate", f"{here}/project.qgz", "application/vnd.qgis.qgz", "QGIS project"))
        links.append(link("enclosure", f"{base}/masks/{job.id}", title="list of files"))
    times = {"created": job.created, "started": job.started, "finished": job.finished, "updated": job.updated}
    return {
        "processID": PROCESS,
        "type": "process",
        "jobID": job.id,
        "status": STATUS[state],
        "message": message_of(job),
        "progress": progress_pct(job),
        **_pace(job, share),
        **({"notes": job.inputs["notes"]} if job.inputs.get("notes") else {}),
        **{name: stamp(time) for name, time in times.items() if time is not None},
        "links": links,
    }


def share_for(session: Session, jobs: Sequence[JobRecord]) -> float:
    """Return what tells the time left of jobs; asks the database only where one of them is under way."""
    return usual_share(session) if any(job.state not in FINAL for job in jobs) else USUAL_SHARE


def _pace(job: JobRecord, share: float) -> dict[str, Any]:
    """Tell what is done of a job that is planned, how fast it goes and when it will be over."""
    if not job.blocks_total:
        return {}
    blocks: dict[str, Any] = {"done": job.blocks_done, "total": job.blocks_total}
    if job.state in FINAL:
        return {"blocks": blocks}
    at = now()
    pace = pace_of(job, share, at)
    if pace.blocks_per_minute is None or pace.seconds_left is None:
        return {"blocks": blocks}
    return {
        "blocks": {**blocks, "perMinute": round(pace.blocks_per_minute, 2)},
        "secondsLeft": round(pace.seconds_left, 1),
        "estimatedCompletion": stamp(at + timedelta(seconds=pace.seconds_left)),
    }
