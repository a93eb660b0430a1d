from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import rasterio

from workers.errors import KeyRefused, NotStored, StoreUnavailable
from workers.local_store import LocalStore
from workers.s3_store import S3Store
from workers.settings import Settings
from workers.store import Store, open_store

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # botocore's pooled connections at the end


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "local":
        return LocalStore(tmp_path / "store")
    endpoint, bucket = request.getfixturevalue("s3")
    return S3Store(bucket, "some/prefix", endpoint_url=endpoint)


def file(folder: Path, data: bytes, name: str = "file") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_what_was_put_comes_back(store: Store, tmp_path: Path) -> None:
    data = np.random.default_rng(1).bytes(3_000_017)
    store.put(file(tmp_path, data), "masks/job/a.tif")
    store.get("masks/job/a.tif", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data
    assert store.stat("masks/job/a.tif").size == len(data)
    assert b"".join(store.read("masks/job/a.tif")) == data
    assert b"".join(store.read("masks/job/a.tif", 1_000_000, 1_500_000)) == data[1_000_000:2_500_000]
    assert b"".join(store.read("masks/job/a.tif", 3_000_000)) == data[3_000_000:]
    assert b"".join(store.read("masks/job/a.tif", 0, 0)) == b""
    assert b"".join(store.read("masks/job/a.tif", 4_000_000, 10)) == b""


def test_large_files_go_up_in_parts(store: Store, tmp_path: Path) -> None:
    data = np.random.default_rng(2).bytes((33 << 20) + 5)
    store.put(file(tmp_path, data), "scenes/x/reflectance.tif")
    assert store.stat("scenes/x/reflectance.tif").size == len(data)
    assert b"".join(store.read("scenes/x/reflectance.tif", 33 << 20)) == data[33 << 20 :]


def test_put_again_replaces(store: Store, tmp_path: Path) -> None:
    first = file(tmp_path, b"first")
    store.put(first, "a/b")
    store.put(first, "a/b")
    store.put(file(tmp_path, b"second", "other"), "a/b")
    assert b"".join(store.read("a/b")) == b"second"
    assert list(store.keys("")) == ["a/b"]


def test_keys_and_removal_go_by_prefix(store: Store, tmp_path: Path) -> None:
    source = file(tmp_path, b"x")
    for key in ("jobs/1/blocks/000000/masks.tif", "jobs/1/blocks/000001/masks.tif", "jobs/12/a", "masks/1/a"):
        store.put(source, key)
    assert list(store.keys("jobs/1/")) == ["jobs/1/blocks/000000/masks.tif", "jobs/1/blocks/000001/masks.tif"]
    store.remove("jobs/1/")
    store.remove("jobs/1/")
    assert list(store.keys("")) == ["jobs/12/a", "masks/1/a"]
    store.remove("jobs/12/a")
    assert list(store.keys("")) == ["masks/1/a"]


def test_nothing_there_is_said(store: Store, tmp_path: Path) -> None:
    store.put(file(tmp_path, b"x"), "a/b")
    for key in ("a/c", "a", "a/b/c"):
        with pytest.raises(NotStored):
            store.stat(key)
        with pytest.raises(NotStored):
            store.read(key)
        with pytest.raises(NotStored):
            store.get(key, tmp_path / "never")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "store") == ["file"]
    assert list(store.keys("nothing/")) == []


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/.hidden", "a\\b", "a\0b", "."])
def test_what_is_no_key_is_refused(store: Store, tmp_path: Path, key: str) -> None:
    with pytest.raises(KeyRefused):
        store.put(file(tmp_path, b"x"), key)
    with pytest.raises(NotStored):
        store.stat(key)
    with pytest.raises(NotStored):
        store.remove(key)


def test_gdal_reads_from_the_store(store: Store, tmp_path: Path) -> None:
    values = np.arange(37 * 53, dtype=np.uint16).reshape(37, 53)
    path = tmp_path / "some.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=37, width=53, count=1, dtype="uint16", crs="EPSG:32633",
        transform=rasterio.Affine(3, 0, 500_000, 0, -3, 4_500_000),
    ) as dataset:  # fmt: skip
        dataset.write(values, 1)
    store.put(path, "scenes/one/reflectance.tif")
    with rasterio.open(store.gdal_path("scenes/one/reflectance.tif")) as dataset:
        assert (dataset.read(1) == values).all()


def test_a_reader_sees_whole_files_only(tmp_path: Path) -> None:
    """While one puts and removes again and again, others see all of a file or none."""
    store, done = LocalStore(tmp_path / "store"), threading.Event()
    sources = [file(tmp_path, bytes([number]) * 500_000, str(number)) for number in (1, 2)]

    def write() -> None:
        for turn in range(60):
            store.put(sources[turn % 2], "jobs/1/a")
            if turn % 7 == 0:
                store.remove("jobs/1/")
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not done.is_set():
        try:
            seen.add(b"".join(store.read("jobs/1/a")))
        except (NotStored, FileNotFoundError):
            continue
    writer.join()
    assert seen
    assert all(len(data) == 500_000 and len(set(data)) == 1 for data in seen)


def test_a_store_that_is_away_is_said_so(s3: tuple[str, str], tmp_path: Path) -> None:
    store = S3Store(s3[1], endpoint_url="http://127.0.0.1:9")
    with pytest.raises(StoreUnavailable):
        store.stat("a")
    with pytest.raises(StoreUnavailable):
        store.put(file(tmp_path, b"x"), "a")
    with pytest.raises(StoreUnavailable):
        list(store.keys("a"))


def test_a_missing_bucket_is_made(s3: tuple[str, str], tmp_path: Path) -> None:
    store = S3Store("not-made-yet", endpoint_url=s3[0])
    with pytest.raises(NotStored):
        store.stat("a")
    store.prepare()
    store.prepare()
    store.put(file(tmp_path, b"x"), "a")
    assert store.stat("a").size == 1


def test_settings_choose_the_store(s3: tuple[str, str], tmp_path: Path) -> None:
    endpoint, bucket = s3
    there = open_store(Settings(store_url=f"s3://{bucket}/deep/er/", s3_endpoint_url=endpoint))
    there.put(file(tmp_path, b"x"), "a/b")
    assert there.gdal_path("a/b") == f"/vsis3/{bucket}/deep/er/a/b"
    assert there.folder("a") is None
    here = open_store(Settings(data_dir=tmp_path / "data"))
    assert here.folder("a") == tmp_path / "data" / "store" / "a"
