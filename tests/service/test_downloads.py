"""A job as one download: what comes out of the zip is what the records tell, at any size in little memory."""

from __future__ import annotations

import hashlib
import io
import tracemalloc
import zipfile
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest
from defusedxml import ElementTree

from service.context import Context
from service.zipping import Entry, zip_chunks
from tests.service.made import add_made_job, assembled
from tests.service.records import add_job, change_job
from workers.plan import Plan
from workers.product import Product
from workers.records import JobState, now

ZIP, QGZ = "/jobs/job-1/results.zip", "/jobs/job-1/project.qgz"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, list[Product]]:
    return assembled(tmp_path_factory.mktemp("job"))


@pytest.fixture
def products(parts: Context, made: tuple[Plan, list[Product]]) -> list[Product]:
    add_made_job(parts, *made)
    return made[1]


def test_zip_holds_every_product(http: httpx.Client, products: list[Product]) -> None:
    answer = http.get(ZIP)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["content-disposition"] == 'attachment; filename="job-1.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        hashes = {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}
    assert hashes.pop("project.qgz")
    assert hashes == {product.name: product.sha256 for product in products}


def test_zip_is_the_same_every_time(http: httpx.Client, products: list[Product]) -> None:
    first, again = http.get(ZIP), http.get(ZIP)
    assert first.content == again.content
    tag = first.headers["etag"]
    same = http.get(ZIP, headers={"If-None-Match": tag})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    head = http.head(ZIP)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(first.content))


def test_project_over_http_names_addresses_and_no_key(http: httpx.Client, url: str, products: list[Product]) -> None:
    answer = http.get(QGZ)
    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        document = ElementTree.fromstring(archive.read("project.qgs"))
    sources = [element.text or "" for element in document.iter("datasource")]
    assert len(sources) == 8
    for source in sources:
        assert source.startswith(f"/vsicurl/{url}/masks/job-1/")
        assert http.head(source.removeprefix("/vsicurl/")).status_code == 200
    assert http.get(QGZ, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    assert http.get(QGZ, headers={"If-Match": '"x"'}).status_code == 412


@pytest.mark.parametrize("path", ["results.zip", "project.qgz"])
def test_only_of_jobs_that_ended_well(http: httpx.Client, parts: Context, path: str) -> None:
    for state, status in ((JobState.SEGMENTING, 404), (JobState.FAILED, 422), (JobState.DISMISSED, 410)):
        add_job(parts, state, f"job-{state}")
        assert http.get(f"/jobs/job-{state}/{path}").status_code == status
    assert http.get(f"/jobs/nobody/{path}").status_code == 404


def test_what_is_gone_is_known_before_anything_is_sent(
    http: httpx.Client, parts: Context, products: list[Product]
) -> None:
    parts.store.remove("masks/job-1/areas.csv")
    answer = http.get(ZIP)
    assert (answer.status_code, answer.json()["title"]) == (404, "Nothing is stored there")


def test_a_file_that_is_shorter_than_told_breaks_the_download_off(
    http: httpx.Client, parts: Context, products: list[Product]
) -> None:
    place = Path(parts.store.gdal_path("masks/job-1/areas.csv"))
    place.unlink()  # the file may be shared with the test's own
    place.write_bytes(b"short")
    with pytest.raises(httpx.RemoteProtocolError):
        http.get(ZIP)


def test_time_of_the_job_does_not_change_the_zip_of_another_hour(
    http: httpx.Client, parts: Context, products: list[Product]
) -> None:
    change_job(parts, "job-1", finished=now() - timedelta(days=400))
    with zipfile.ZipFile(io.BytesIO(http.get(ZIP).content)) as archive:
        assert {info.date_time[0] for info in archive.infolist()} == {(now() - timedelta(days=400)).year}


def test_memory_does_not_grow_with_the_files(parts: Context, tmp_path: Path) -> None:
    """Measured at Python's own allocations: 400 MB pass through a few chunks."""
    with (tmp_path / "large").open("wb") as file:
        file.truncate(200_000_000)
    for name in ("a", "b"):
        parts.store.put(tmp_path / "large", f"masks/job-1/{name}")
    entries = [Entry(name, 200_000_000, partial(parts.store.read, f"masks/job-1/{name}")) for name in "ab"]
    tracemalloc.start()
    try:
        sent = sum(map(len, zip_chunks(entries, now())))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sent > 400_000_000
    assert peak < 8_000_000
