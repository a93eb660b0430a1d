"""Zips that are made as they are sent, read back by another implementation."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.zipping import Entry, EntryChanged, cut, zip_chunks, zip_size
from tests.programs import need

WHEN = datetime(2021, 3, 4, 5, 6, 8, tzinfo=UTC)
ZEROS = bytes(1 << 20)
LARGE = (4 << 30) + 5


def entry(name: str, data: bytes) -> Entry:
    return Entry(name, len(data), partial(iter, [data[:7], data[7:]]))


@given(st.dictionaries(st.text("abcä/ .", min_size=1, max_size=20), st.binary(max_size=300), max_size=6))
def test_what_goes_in_comes_out(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    entries = [entry(name, data) for name, data in files.items()]
    made = b"".join(zip_chunks(entries, WHEN))
    assert len(made) == zip_size(entries)
    assert made == b"".join(zip_chunks(entries, WHEN))
    path = tmp_path_factory.mktemp("zip") / "made.zip"
    path.write_bytes(made)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert [info.filename for info in archive.infolist()] == list(files)
        for info, data in zip(archive.infolist(), files.values(), strict=True):
            assert info.date_time == (2021, 3, 4, 5, 6, 8)
            assert archive.read(info) == data


@given(st.lists(st.binary(max_size=5), max_size=6), st.data())
def test_a_part_is_cut_out_wherever_chunks_end(chunks: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(chunks)
    start = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.integers(0, len(whole) - start))
    assert b"".join(cut(chunks, start, length)) == whole[start : start + length]


def test_unzip_takes_it(tmp_path: Path) -> None:
    (tmp_path / "made.zip").write_bytes(b"".join(zip_chunks([entry("a.txt", b"hello"), entry("b", b"")], WHEN)))
    subprocess.run([need("unzip"), "-q", "made.zip"], cwd=tmp_path, check=True)
    assert (tmp_path / "a.txt").read_bytes() == b"hello"
    assert (tmp_path / "b").read_bytes() == b""


def test_files_beyond_four_gigabytes(tmp_path: Path) -> None:
    """Zeros are left out of the file on disk, which is then sparse."""

    def zeros() -> Iterator[bytes]:
        for _ in range(LARGE >> 20):
            yield ZEROS
        yield ZEROS[: LARGE & 0xFFFFF]

    entries = [entry("first", b"1"), Entry("large", LARGE, zeros), entry("last", b"the end")]
    path = tmp_path / "large.zip"
    with path.open("wb") as file:
        for chunk in zip_chunks(entries, WHEN):
            if chunk is ZEROS:
                file.seek(len(chunk), 1)
            else:
                file.write(chunk)
    assert path.stat().st_size == zip_size(entries)
    with zipfile.ZipFile(path) as archive:
        assert [info.file_size for info in archive.infolist()] == [1, LARGE, 7]
        assert archive.read("last") == b"the end"
        with archive.open("large") as large, Path("/dev/null").open("wb") as nothing:
            shutil.copyfileobj(large, nothing, 1 << 22)  # checks the checksum at the end


def test_more_files_than_sixteen_bits_count(tmp_path: Path) -> None:
    entries = [entry(str(number), b"") for number in range(70_000)]
    made = b"".join(zip_chunks(entries, WHEN))
    assert len(made) == zip_size(entries)
    (tmp_path / "many.zip").write_bytes(made)
    with zipfile.ZipFile(tmp_path / "many.zip") as archive:
        assert len(archive.infolist()) == 70_000


@pytest.mark.parametrize("size", [4, 6])
def test_a_file_that_changed_ends_the_zip(size: int) -> None:
    with pytest.raises(EntryChanged, match=f"expected {size} bytes; got 5"):
        list(zip_chunks([Entry("a", size, lambda: [b"hello"])], WHEN))
