from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest
import rasterio
from sqlalchemy import func, select

from models.registry import SHIPPED
from tests.conftest import free_port, small_settings
from tests.workers.places import DATES, again, ask, messages, plan_of, upload, workplace
from workers.assembling import assemble_job
from workers.block_pipeline import FILES
from workers.cleaning import clean_all
from workers.database import close_database, writing
from workers.ingesting import ingest_scene
from workers.jobs import dismiss_job, job_products, job_progress
from workers.preparing import plan_job
from workers.records import BlockRecord, BlockState, JobRecord, JobState, SceneRecord, SceneState
from workers.scenes import reject_scene
from workers.segmenting import segment_block
from workers.settings import Settings
from workers.tasks import register_tasks
from workers.workplace import Workplace

BLOCKS = 6


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory, redis_port: int) -> Path:
    """Data folder of a service that has read the series."""
    folder = tmp_path_factory.mktemp("series")
    settings = small_settings(folder / "data", f"redis://127.0.0.1:{redis_port}/0")
    with workplace(settings) as place:
        for number in range(DATES):
            scene = upload(place, folder, number)
            ingest_scene(place, scene.id)
            found = again(place, SceneRecord, scene.id)
            assert found.state == SceneState.READY, found.reason
        assert list(place.store.keys("uploads/")) == []
    return folder / "data"


@pytest.fixture
def job(series: Path, settings: Settings, place: Workplace) -> str:
    """A job over the series that is planned, with its blocks sent."""
    close_database(place.sessions)
    shutil.copytree(series, settings.data_dir, dirs_exist_ok=True)
    made = ask(place, start="2020-08-01", end="2020-09-30")
    plan_job(place, made.id)
    planned = again(place, JobRecord, made.id)
    assert planned.state == JobState.SEGMENTING, planned.message
    assert planned.blocks_total == BLOCKS
    assert messages(place)["gpu"] == BLOCKS
    return made.id


class S3Server:
    """An S3 service on one port; what it holds outlives it, within this process."""

    def __init__(self, port: int) -> None:
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
        self._server.start()

    def stop(self) -> None:
        self._server.stop()


def segment_all(place: Workplace, job_id: str) -> None:
    for index in range(again(place, JobRecord, job_id).blocks_total):
        segment_block(place, job_id, index)


def test_from_uploads_to_products(place: Workplace, job: str) -> None:
    segment_all(place, job)
    assert again(place, JobRecord, job).state == JobState.ASSEMBLING
    assert messages(place)["io"] == 1
    assert len(list(place.store.keys(f"jobs/{job}/blocks/"))) == BLOCKS * len(FILES)
    assemble_job(place, job)
    done = again(place, JobRecord, job)
    assert done.state == JobState.SUCCESSFUL, done.message
    assert done.finished is not None
    assert done.started is not None
    assert done.created <= done.started <= done.finished
    assert list(place.store.keys("jobs/")) == []
    with place.sessions() as session:
        products = job_products(session, job)
        assert job_progress(session, "", job).percent == 100
        assert session.scalar(select(func.count()).select_from(BlockRecord)) == 0
    assert {p.name for p in products} >= {"mask_20200801.tif", "change_date.tif", "polygons.geojson", "areas.csv"}
    assert sorted(place.store.keys(f"masks/{job}/")) == sorted(f"masks/{job}/{p.name}" for p in products)
    for product in products:
        assert place.store.stat(f"masks/{job}/{product.name}").size == product.size
    with rasterio.open(place.store.gdal_path(f"masks/{job}/mask_20200811.tif")) as mask:
        assert set(mask.read(1).ravel().tolist()) <= {0, 1, 255}


def test_what_is_done_is_not_done_again(place: Workplace, job: str) -> None:
    segment_all(place, job)
    before = {key: place.store.stat(key) for key in place.store.keys(f"jobs/{job}/")}
    segment_all(place, job)
    plan_job(place, job)
    assert before == {key: place.store.stat(key) for key in place.store.keys(f"jobs/{job}/")}
    assert again(place, JobRecord, job).blocks_done == BLOCKS


def test_two_workers_on_the_last_blocks_assemble_once(place: Workplace, job: str) -> None:
    for index in range(BLOCKS - 2):
        segment_block(place, job, index)
    last = (BLOCKS - 2, BLOCKS - 1)
    threads = [threading.Thread(target=segment_block, args=(place, job, index)) for index in last * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = again(place, JobRecord, job)
    assert (found.state, found.blocks_done) == (JobState.ASSEMBLING, BLOCKS)
    assert messages(place)["io"] == 1


def test_dismissing_stops_the_block_under_way_and_leaves_nothing(
    place: Workplace, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dismissed while a block is at its second date: the network is not asked for another one."""
    segment_block(place, job, 0)
    card_folder = SHIPPED / "burned-area"
    engine = place.engine(card_folder, plan_of(place, job)["model_hash"], tta=False)
    steps, step = [], type(engine).step

    def counted(self: object, *args: object) -> object:
        steps.append(1)
        if len(steps) == 2:
            with place.sessions() as session:
                dismiss_job(session, "", job)
        return step(self, *args)  # type: ignore[arg-type] # passed through

    monkeypatch.setattr(type(engine), "step", counted)
    segment_block(place, job, 1)
    assert len(steps) == 2
    with place.sessions() as session:
        held = session.get_one(BlockRecord, (job, 1))
        assert (held.state, held.lease_token, held.attempts) == (BlockState.WAITING, "", 0)
    segment_block(place, job, 2)
    assert len(steps) == 2
    clean_all(place.sessions, place.store)
    assert [*place.store.keys("jobs/"), *place.store.keys("masks/")] == []


def test_files_put_after_the_job_ended_are_taken_away(
    place: Workplace, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = type(place.store).put

    def dismiss_after(self: object, path: Path, key: str) -> None:
        put(place.store, path, key)
        if key.endswith("summary.tif"):
            with place.sessions() as session:
                dismiss_job(session, "", job)

    monkeypatch.setattr(type(place.store), "put", dismiss_after)
    segment_block(place, job, 0)
    assert again(place, JobRecord, job).state == JobState.DISMISSED
    assert list(place.store.keys("jobs/")) == []


def test_a_worker_told_to_stop_gives_its_work_back(place: Workplace, job: str) -> None:
    place.stopping.set()
    segment_block(place, job, 0)
    block = again(place, BlockRecord, job, 0)
    assert (block.state, block.lease_token, block.attempts, block.sent_at) == (BlockState.WAITING, "", 0, 0.0)


def test_files_of_a_scene_that_was_given_up_meanwhile_are_taken_away(
    place: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, put = upload(place, tmp_path, 0), type(place.store).put

    def reject_after(self: object, path: Path, key: str) -> None:
        put(place.store, path, key)
        if key.endswith("item.json"):
            with writing(place.sessions) as session:
                reject_scene(session, scene.id, "abandoned too often")

    monkeypatch.setattr(type(place.store), "put", reject_after)
    ingest_scene(place, scene.id)
    assert again(place, SceneRecord, scene.id).state == SceneState.REJECTED
    assert list(place.store.keys("")) == []


def test_work_waits_while_the_store_is_away(settings: Settings, tmp_path: Path, s3: tuple[str, str]) -> None:
    """The S3 service stops in the middle of a job and comes back: nothing fails, nothing counts as abandoned."""
    port = free_port()
    remote = settings.model_copy(
        update={"store_url": f"s3://{s3[1]}/here", "s3_endpoint_url": f"http://127.0.0.1:{port}"}
    )
    server = S3Server(port)
    with workplace(remote) as place:
        for number in range(2):
            ingest_scene(place, upload(place, tmp_path, number).id)
        made = ask(place)
        plan_job(place, made.id)
        server.stop()
        segment_block(place, made.id, 0)
        block = again(place, BlockRecord, made.id, 0)
        assert (block.state, block.lease_token, block.attempts) == (BlockState.WAITING, "", 0)
        assert block.sent_at > 0
        assert again(place, JobRecord, made.id).state == JobState.SEGMENTING
        server = S3Server(port)
        for index in range(again(place, JobRecord, made.id).blocks_total):
            segment_block(place, made.id, index)
        assemble_job(place, made.id)
        done = again(place, JobRecord, made.id)
        assert done.state == JobState.SUCCESSFUL, done.message
        assert {key.partition("/")[0] for key in place.store.keys("")} == {"scenes", "masks"}
        server.stop()


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"model": "nothing"}, "no model 'nothing'; there are: burned-area"),
        ({"start": "2030-01-01"}, "no scene in the period"),
        ({"start": "soon"}, "the job's inputs cannot be read"),
        ({"aoi": {"type": "Point", "coordinates": [1, 2]}}, "olygon"),
        ({"scenes": ["unheard-of"]}, "unknown or not ready: unheard-of"),
    ],
)
def test_what_cannot_be_planned_fails_with_its_reason(
    place: Workplace, tmp_path: Path, inputs: dict[str, object], reason: str
) -> None:
    ingest_scene(place, upload(place, tmp_path, 0).id)
    made = ask(place, **inputs)
    plan_job(place, made.id)
    found = again(place, JobRecord, made.id)
    assert found.state == JobState.FAILED
    assert reason in found.message


def test_other_peoples_scenes_are_not_used(place: Workplace, tmp_path: Path) -> None:
    scene = upload(place, tmp_path, 0)
    ingest_scene(place, scene.id)
    with place.sessions() as session:
        session.get_one(SceneRecord, scene.id).owner = "somebody"
        session.commit()
    made = ask(place)
    plan_job(place, made.id)
    assert again(place, JobRecord, made.id).message.startswith("there are no scenes")


def test_the_four_tasks_are_registered(place: Workplace) -> None:
    register_tasks(place.celery, place)
    assert {"ingest_scene", "plan_job", "segment_block", "assemble_job"} <= set(place.celery.tasks)
