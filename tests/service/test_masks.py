from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import rasterio
from rasterio.windows import Window

from service.context import Context
from tests.service.records import add_job, add_product, write_raster
from workers.product import Product
from workers.records import JobState


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    write_raster(tmp_path / "mask_20200801.tif")
    return tmp_path / "mask_20200801.tif"


@pytest.fixture
def product(parts: Context, raster: Path) -> Product:
    return add_product(parts, add_job(parts, JobState.SUCCESSFUL), raster)


PATH = "/masks/job-1/mask_20200801.tif"


def test_whole_file(http: httpx.Client, product: Product, raster: Path) -> None:
    answer = http.get(PATH)
    assert answer.status_code == 200
    assert answer.content == raster.read_bytes()
    assert answer.headers["content-type"] == "image/tiff; application=geotiff; profile=cloud-optimized"
    assert answer.headers["etag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert "last-modified" in answer.headers


def test_ranges(http: httpx.Client, product: Product, raster: Path) -> None:
    data = raster.read_bytes()
    last = len(data) - 1
    for header, start, end in (
        ("bytes=0-99", 0, 99),
        ("bytes=-7", last - 6, last),
        (f"bytes={last - 2}-", last - 2, last),
    ):
        answer = http.get(PATH, headers={"Range": header})
        assert answer.status_code == 206
        assert answer.content == data[start : end + 1]
        assert answer.headers["content-length"] == str(end - start + 1)
        assert answer.headers["content-range"] == f"bytes {start}-{end}/{len(data)}"


def test_several_ranges_give_the_whole(http: httpx.Client, product: Product, raster: Path) -> None:
    answer = http.get(PATH, headers={"Range": "bytes=0-1,5-9"})
    assert (answer.status_code, answer.content) == (200, raster.read_bytes())


def test_range_past_the_end(http: httpx.Client, product: Product) -> None:
    answer = http.get(PATH, headers={"Range": f"bytes={product.size}-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{product.size}"
    assert answer.json()["status"] == 416


def test_head_ignores_ranges_and_sends_no_body(http: httpx.Client, product: Product) -> None:
    answer = http.head(PATH, headers={"Range": "bytes=0-9"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(product.size)


def test_conditions(http: httpx.Client, product: Product, raster: Path) -> None:
    tag = f'"{product.sha256}"'
    unchanged = http.get(PATH, headers={"If-None-Match": tag})
    assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", tag)
    assert http.get(PATH, headers={"If-Match": '"other"'}).status_code == 412
    same = http.get(PATH, headers={"Range": "bytes=0-9", "If-Range": tag})
    assert (same.status_code, same.content) == (206, raster.read_bytes()[:10])
    assert http.get(PATH, headers={"Range": "bytes=0-9", "If-Range": '"other"'}).status_code == 200


READ_WINDOW = """
import sys, rasterio
from rasterio.windows import Window
with rasterio.open(sys.argv[1]) as dataset:
    sys.stdout.buffer.write(dataset.read(1, window=Window(130, 257, 140, 90)).tobytes())
"""


def test_gdal_streams_a_window(url: str, product: Product, raster: Path) -> None:
    # In a process of its own: GDAL holds this one's interpreter while it waits for the server, which needs it.
    command = [sys.executable, "-c", READ_WINDOW, f"/vsicurl/{url}{PATH}"]
    read = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    with rasterio.open(raster) as local:
        assert read == local.read(1, window=Window(130, 257, 140, 90)).tobytes()


def test_list(http: httpx.Client, product: Product) -> None:
    files = http.get("/masks/job-1").json()["files"]
    assert [(f["name"], f["size"], f["sha256"]) for f in files] == [(product.name, product.size, product.sha256)]
    assert http.get(files[0]["href"]).status_code == 200


def test_what_is_not_there(http: httpx.Client, product: Product, parts: Context) -> None:
    assert http.get("/masks/nobody").status_code == 404
    assert http.get("/masks/nobody/mask.tif").json()["type"].endswith("/no-such-job")
    missing = http.get("/masks/job-1/other.tif")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
    assert http.get("/masks/job-1/..%2f..%2fchronoseg.db").status_code == 404
    parts.store.remove("masks/job-1/")
    assert http.get(PATH).json()["title"] == "Nothing is stored there"


def test_anothers_job_is_unknown(http: httpx.Client, parts: Context) -> None:
    add_job(parts, JobState.SUCCESSFUL, "theirs", owner="somebody")
    assert http.get("/masks/theirs").status_code == 404
    assert http.get("/jobs/theirs").status_code == 404
