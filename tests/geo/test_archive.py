"""Zip archives: Planet's deliveries, and what hostile ones try."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from geo.archive import Limits, unpack
from geo.errors import SceneRejected
from geo.ingest import IngestOptions, ingest, split_source
from tests.geo.planet import DOVE, SUPERDOVE, write_delivery
from tests.geo.rasters import numbers, read_scene


def zip_folder(folder: Path, archive: Path, prefix: str = "PSScene/") -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("manifest.json", '{"files": []}')
        for path in sorted(folder.iterdir()):
            opened.write(path, prefix + path.name)
    return archive


def zip_of(archive: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in entries:
            opened.writestr(name, content)
    return archive


@pytest.mark.parametrize("prefix", ["", "PSScene/", "files/PSScene/20200727/"])
def test_delivery_with_one_scene(tmp_path: Path, prefix: str) -> None:
    write_delivery(tmp_path / "in")
    archive = zip_folder(tmp_path / "in", tmp_path / "order.zip", prefix)
    scene = ingest(archive, tmp_path / "out", IngestOptions("s"))
    assert np.array_equal(read_scene(tmp_path / "out")[0], numbers())
    assert (scene.id, scene.satellite) == ("s", "104b")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "order.zip", "out"]


def test_delivery_with_several_scenes(tmp_path: Path) -> None:
    write_delivery(tmp_path / "in", DOVE, seed=1)
    write_delivery(tmp_path / "in", SUPERDOVE, bands=8, seed=2)
    archive = zip_folder(tmp_path / "in", tmp_path / "order.zip")
    with pytest.raises(SceneRejected, match=f"2 scenes.*{DOVE}.*{SUPERDOVE}"):
        ingest(archive, tmp_path / "out", IngestOptions("s"))
    work = tmp_path / "work"
    work.mkdir()
    parts = split_source(archive, work, IngestOptions("s"))
    assert [options.scene_id for _, options in parts] == [f"s-{DOVE}", f"s-{SUPERDOVE}"]
    for (image, options), bands, seed in zip(parts, (4, 8), (1, 2), strict=True):
        ingest(image, tmp_path / options.scene_id, options)
        assert np.array_equal(read_scene(tmp_path / options.scene_id)[0], numbers(bands=bands, seed=seed))


def test_parts_in_other_folders_stay_together(tmp_path: Path) -> None:
    write_delivery(tmp_path / "in", product="AnalyticMS", xml=True)
    archive = tmp_path / "order.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for number, path in enumerate(sorted((tmp_path / "in").iterdir())):
            opened.write(path, f"{number}/{path.name}")
    work = tmp_path / "work"
    work.mkdir()
    [(image, options)] = split_source(archive, work, IngestOptions("s"))
    split = ingest(image, tmp_path / "split", options)
    whole = ingest(archive, tmp_path / "whole", IngestOptions("s"))
    assert (split.id, split.bands) == (whole.id, whole.bands)
    assert (tmp_path / "split" / "clear.tif").read_bytes() == (tmp_path / "whole" / "clear.tif").read_bytes()
    assert (tmp_path / "split" / "reflectance.tif").read_bytes() == (
        tmp_path / "whole" / "reflectance.tif"
    ).read_bytes()


def test_folders_and_single_images(tmp_path: Path) -> None:
    image = write_delivery(tmp_path / "in")
    options = IngestOptions("s")
    assert split_source(image, tmp_path, options) == [(image, options)]
    assert split_source(tmp_path / "in", tmp_path, options) == [(image, options)]
    ingest(tmp_path / "in", tmp_path / "out", options)
    assert np.array_equal(read_scene(tmp_path / "out")[0], numbers())
    (tmp_path / "empty").mkdir()
    with pytest.raises(SceneRejected, match="no image"):
        ingest(tmp_path / "empty", tmp_path / "no", options)


@pytest.mark.parametrize(
    "name",
    [
        "../evil.tif",
        "a/../../evil.tif",
        "/etc/evil.tif",
        "C:/evil.tif",
        "..\\evil.tif",
        "a//b.tif",
        "./evil.tif",
        "a\x01.tif",
    ],
)
def test_unsafe_names(tmp_path: Path, name: str) -> None:
    into = tmp_path / "deep" / "into"
    into.mkdir(parents=True)
    archive = zip_of(tmp_path / "evil.zip", ("good.tif", b"x"), (name, b"x"))
    with pytest.raises(SceneRejected, match="entry"):
        unpack(archive, into)
    assert not list(into.iterdir())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["deep", "evil.zip"]


def test_an_entry_without_a_name(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "evil.zip", ("good.tif", b"x"), (zipfile.ZipInfo("\0.tif"), b"x"))
    with pytest.raises(SceneRejected, match="entry '' leads out of the archive"):
        unpack(archive, tmp_path)


def test_unwanted_entries_are_judged_too(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "evil.zip", ("good.tif", b"x"), ("../notes.txt", b"x"))
    with pytest.raises(SceneRejected, match="leads out"):
        unpack(archive, tmp_path)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices(tmp_path: Path, kind: int) -> None:
    entry = zipfile.ZipInfo("scene.tif")
    entry.external_attr = (kind | 0o777) << 16
    archive = zip_of(tmp_path / "evil.zip", (entry, b"/etc/hostname"))
    with pytest.raises(SceneRejected, match="link"):
        unpack(archive, tmp_path)


def test_bomb(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "bomb.zip", ("scene.tif", b"\0" * 3_000_000))
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(SceneRejected, match="unpacks to more than"):
        unpack(archive, into, Limits(max_ratio=50, grace_bytes=100_000))
    assert sum(p.stat().st_size for p in into.iterdir()) < 200_000
    with pytest.raises(SceneRejected, match="unpacks to more than 1,000 bytes"):
        unpack(
            zip_of(tmp_path / "big.zip", ("a.tif", bytes(range(256)) * 8)), tmp_path / "into", Limits(max_bytes=1_000)
        )
    with pytest.raises(SceneRejected, match="3 files"):
        unpack(zip_of(tmp_path / "many.zip", *((f"{n}.tif", b"x") for n in range(3))), into, Limits(max_files=2))


def test_declared_sizes_are_not_believed(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "liar.zip", ("scene.tif", b"\0" * 3_000_000))
    content = archive.read_bytes().replace(struct.pack("<I", 3_000_000), struct.pack("<I", 10))
    archive.write_bytes(content)
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(SceneRejected):
        unpack(archive, into)
    assert sum(p.stat().st_size for p in into.iterdir()) <= 10


def overlapping(path: Path) -> Path:
    """Two names for one compressed stream, the way quoted-overlap bombs multiply it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("a.tif", b"\0" * 10_000)
    content = buffer.getvalue()
    start, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    entry = content[start:end]
    both = entry + entry.replace(b"a.tif", b"b.tif")
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2, 2, len(both), start, 0)
    path.write_bytes(content[:start] + both + tail)
    return path


def encrypted(path: Path) -> Path:
    content = bytearray(zip_of(path, ("scene.tif", b"x" * 50)).read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    return path


def doubled(path: Path) -> Path:
    with pytest.warns(UserWarning, match="Duplicate"):
        return zip_of(path, ("scene.tif", b"1"), ("scene.tif", b"2"))


def no_image(path: Path) -> Path:
    return zip_of(path, ("readme.txt", b"hello"), ("x_metadata.json", b"{}"))


def file_and_folder(path: Path) -> Path:
    return zip_of(path, ("a.tif", b"x"), ("a.tif/b.tif", b"x"))


def cut(path: Path) -> Path:
    content = zip_of(path, ("scene.tif", bytes(np.random.default_rng(0).bytes(4_000)))).read_bytes()
    path.write_bytes(content[:2_000])
    return path


def spoilt(path: Path) -> Path:
    content = bytearray(zip_of(path, ("scene.tif", bytes(np.random.default_rng(0).bytes(4_000)))).read_bytes())
    content[1_000] ^= 0xFF
    path.write_bytes(content)
    return path


def before_itself(path: Path) -> Path:
    """The end says that the list of entries lies farther on than it does: then the first begins before the file."""
    content = bytearray(zip_of(path, ("scene.tif", b"x" * 50)).read_bytes())
    at = content.index(b"PK\x05\x06") + 16
    content[at : at + 4] = struct.pack("<L", struct.unpack("<L", content[at : at + 4])[0] + 60)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "make", [overlapping, encrypted, doubled, no_image, file_and_folder, cut, spoilt, before_itself]
)
def test_damaged_and_odd_archives(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    archive = make(tmp_path / "odd.zip")
    with pytest.raises(SceneRejected, match=r"odd\.zip"):
        ingest(archive, tmp_path / "out", IngestOptions("s"))
    assert [p.name for p in tmp_path.iterdir()] == ["odd.zip"]


@pytest.mark.parametrize("seed", range(20))
def test_flipped_bits(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    write_delivery(tmp_path / "in")
    archive = zip_folder(tmp_path / "in", tmp_path / "order.zip")
    content = bytearray(archive.read_bytes())
    for _ in range(int(rng.integers(1, 8))):
        where = int(rng.integers(0, len(content))) if seed % 2 else -int(rng.integers(1, 600))
        content[where] ^= 1 << int(rng.integers(0, 8))
    archive.write_bytes(bytes(content))
    try:
        ingest(archive, tmp_path / "out", IngestOptions("s"))
    except SceneRejected:
        assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "order.zip"]
