"""The work `assemble_job`: from block files in the store to products in the store, and a successful job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import delete
from sqlalchemy.orm import Session

from models.card import Card
from models.registry import find_model
from workers.assembly import assemble
from workers.attempts import Attempt, attempt
from workers.block_pipeline import FILES, files_of
from workers.cleaning import clean_job
from workers.database import writing
from workers.items import item_of_mask
from workers.jobs import job_state
from workers.kinds import ASSEMBLE
from workers.leases import finish
from workers.mask_items import mask_items
from workers.plan import Plan
from workers.product import Product
from workers.records import JobRecord, JobState, ProductRecord, now
from workers.segmenting import block_folder
from workers.workplace import Workplace


def assemble_job(place: Workplace, job_id: str) -> None:
    """Build a job's products, then remove its block files."""
    attempt(place, ASSEMBLE, (job_id,), _assemble)
    clean_job(place.sessions, place.store, job_id)


def _assemble(current: Attempt) -> None:
    place, job_id = current.place, str(current.lease.key[0])
    with place.sessions() as session:
        job = session.get_one(JobRecord, job_id)
        plan = Plan.from_json(job.plan or {})
    card, _ = find_model(plan.model_id, place.settings.model_folders)

    def progress(_: str) -> None:
        current.check_job(JobState.ASSEMBLING)

    products = assemble(plan, card, _local_blocks(current, job_id, plan, card), current.folder / "products", progress)
    try:
        for product in products:
            current.check_job(JobState.ASSEMBLING)
            place.store.put(product.path, f"masks/{job_id}/{product.name}")
        with writing(place.sessions) as session:
            finish(session, current.lease, state=JobState.SUCCESSFUL, finished=now(), message="done")
            _record(session, job_id, products)
            session.add_all(item_of_mask(job.owner, job_id, item) for item in mask_items(job_id, plan, card, products))
    finally:
        _leave_nothing_of_a_job_that_failed(current, job_id)


def _local_blocks(current: Attempt, job_id: str, plan: Plan, card: Card) -> Callable[[int], Path]:
    """Return what tells a block's local folder; blocks that lie elsewhere are fetched to scratch first."""
    store = current.place.store
    if store.folder("jobs") is not None:
        return lambda index: Path(store.gdal_path(f"{block_folder(job_id, index)}/{FILES[0]}")).parent
    folder = current.folder / "blocks"
    for block in plan.blocks:
        current.check()
        (folder / str(block.index)).mkdir(parents=True)
        for name in files_of(card):
            store.get(f"{block_folder(job_id, block.index)}/{name}", folder / str(block.index) / name)
    return lambda index: folder / str(index)


def _record(session: Session, job_id: str, products: Sequence[Product]) -> None:
    session.execute(delete(ProductRecord).where(ProductRecord.job_id == job_id))
    session.add_all(
        ProductRecord(job_id=job_id, name=p.name, media_type=p.media_type, title=p.title, size=p.size, sha256=p.sha256)
        for p in products
    )


def _leave_nothing_of_a_job_that_failed(current: Attempt, job_id: str) -> None:
    """A job may have ended, and been cleaned, while its products were being put."""
    with current.place.sessions() as session:
        state = job_state(session, job_id)
    if state not in (JobState.ASSEMBLING, JobState.SUCCESSFUL):
        current.place.store.remove(f"masks/{job_id}/")
