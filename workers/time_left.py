"""How fast a job goes, and how long it will take: from its own blocks, and from what assembling took other jobs."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from workers.records import JobRecord, JobState

USUAL_SHARE = 0.1
"""Time of assembling over that of segmenting, as long as no job tells: `python -m benchmarks.time_left`."""

_JOBS = 10
_OVERDUE = 0.25
"""What is left of a block's or the products' time, at least, when it takes longer than it should."""


def usual_share(session: Session) -> float:
    """Return how long assembling takes over segmenting: the median of the last jobs, whosever they were."""
    wanted = select(JobRecord.started, JobRecord.segmented, JobRecord.finished).where(
        JobRecord.state == JobState.SUCCESSFUL, JobRecord.segmented.is_not(None)
    )
    shares = [
        (finished - segmented) / (segmented - started)
        for started, segmented, finished in session.execute(wanted.order_by(JobRecord.finished.desc()).limit(_JOBS))
        if started is not None and finished is not None and segmented is not None and segmented > started
    ]
    return statistics.median(shares) if shares else USUAL_SHARE


def pace_of(job: JobRecord, share: float, at: datetime) -> Pace:
    """Return how fast a job that is under way goes.

    The first block alone tells nothing: its time is also that of loading a network, thrice its own in a small job.

    Args:
        job: as the database has it.
        share: from `usual_share`.
        at: the present time.
    """
    if job.started is None or not job.blocks_total or job.blocks_done < min(2, job.blocks_total):
        return Pace()
    last = job.segmented or job.updated
    began, counted = job.started, job.blocks_done
    if job.first_block is not None and job.blocks_done > 1:
        began, counted = job.first_block, job.blocks_done - 1
    per_s = counted / max((last - began).total_seconds(), 1e-3)
    segmenting_s = (began - job.started).total_seconds() + (job.blocks_total - job.blocks_done + counted) / per_s
    assembling_s = share * segmenting_s
    since_s = (at - last).total_seconds()
    if job.state == JobState.ASSEMBLING:
        return Pace(60 * per_s, max(assembling_s - since_s, _OVERDUE * assembling_s))
    blocks_s = (job.blocks_total - job.blocks_done) / per_s
    return Pace(60 * per_s, max(blocks_s - since_s, _OVERDUE * blocks_s) + assembling_s)


@dataclass(frozen=True)
class Pace:
    """How fast a job goes.

    Attributes:
        blocks_per_minute: since the first block was done; None until there are two, unless there is but one.
        seconds_left: until its products are there; None as long.
    """

    blocks_per_minute: float | None = None
    seconds_left: float | None = None
