"""A zip that is sent as it is made: stored, its size known before, its memory that of one chunk.

`zipfile` writes to what cannot be sought, too, but does not tell how long that will be. Checksums follow the files, for
they are known only when a file has been read.

Source: PKWARE, APPNOTE.TXT 6.3.10, sections 4.3 to 4.5; zip64 where a size or an offset asks for it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

_LIMIT = 0xFFFFFFFF
_MANY = 0xFFFF
_FLAGS = 0x0808
"""Checksum and sizes follow the file; names are UTF-8."""

_UNIX = 3 << 8
_MODE = 0o100644 << 16


@dataclass(frozen=True)
class Entry:
    """A file of the zip.

    Attributes:
        name: in the zip.
        size: in bytes.
        read: yields just as many bytes; called when it is the file's turn.
    """

    name: str
    size: int
    read: Callable[[], Iterable[bytes]]


class EntryChanged(Exception):
    """A file had another size than was announced: the zip cannot be ended well."""


def zip_size(entries: Sequence[Entry]) -> int:
    """Return the size of the zip of some files in bytes."""
    offset = directory = 0
    for entry in entries:
        directory += 46 + len(entry.name.encode()) + len(_zip64(entry.size, offset))
        offset += _local_size(entry)
    return offset + directory + len(_end(len(entries), directory, offset))


def zip_chunks(entries: Sequence[Entry], modified: datetime) -> Iterator[bytes]:
    """Yield the zip of some files.

    Args:
        entries: in order; the same ones give the same bytes.
        modified: that all of them tell.

    Raises:
        EntryChanged: a file is not as long as it said.
    """
    clock = modified.hour << 11 | modified.minute << 5 | modified.second // 2
    day = (max(modified.year, 1980) - 1980) << 9 | modified.month << 5 | modified.day
    directory, offset = [], 0
    for entry in entries:
        name, large = entry.name.encode(), entry.size >= _LIMIT
        version, told = (45, _LIMIT) if large else (20, 0)
        extra = struct.pack("<HHQQ", 1, 16, 0, 0) if large else b""
        head = (0x04034B50, version, _FLAGS, 0, clock, day, 0, told, told, len(name), len(extra))
        yield struct.pack("<IHHHHHIIIHH", *head) + name + extra
        checksum, seen = 0, 0
        for chunk in entry.read():
            checksum, seen = zlib.crc32(chunk, checksum), seen + len(chunk)
            yield chunk
        if seen != entry.size:
            raise EntryChanged(f"{entry.name}: expected {entry.size} bytes; got {seen}")
        yield struct.pack("<IIQQ" if large else "<IIII", 0x08074B50, checksum, seen, seen)
        more = _zip64(entry.size, offset)
        row = (
            0x02014B50, _UNIX | (45 if more else 20), 45 if more else 20, _FLAGS, 0, clock, day, checksum,
            min(seen, _LIMIT), min(seen, _LIMIT), len(name), len(more), 0, 0, 0, _MODE, min(offset, _LIMIT),
        )  # fmt: skip
        directory.append(struct.pack("<IHHHHHHIIIHHHHHII", *row) + name + more)
        offset += _local_size(entry)
    yield from directory
    yield _end(len(entries), sum(map(len, directory)), offset)


def cut(chunks: Iterable[bytes], start: int, length: int) -> Iterator[bytes]:
    """Yield a part of what chunks make up; what comes before it is made too, for checksums stand at a zip's end."""
    for chunk in chunks:
        piece = chunk[start : start + length]
        start = max(start - len(chunk), 0)
        length -= len(piece)
        if piece:
            yield piece
        if not length:
            return


def _local_size(entry: Entry) -> int:
    """Return the bytes of a file with what stands before and after it."""
    return 30 + len(entry.name.encode()) + entry.size + (20 + 24 if entry.size >= _LIMIT else 16)


def _zip64(size: int, offset: int) -> bytes:
    """Return the field of the directory that holds what is too large for the others."""
    large = ([size, size] if size >= _LIMIT else []) + ([offset] if offset >= _LIMIT else [])
    return struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large) if large else b""


def _end(count: int, directory: int, offset: int) -> bytes:
    """Return what follows the directory."""
    found = b""
    if count >= _MANY or directory >= _LIMIT or offset >= _LIMIT:
        found += struct.pack(
            "<IQHHIIQQQQ", 0x06064B50, 44, _UNIX | 45, 45, 0, 0, count, count, directory, offset
        ) + struct.pack("<IIQI", 0x07064B50, 0, offset + directory, 1)
    count = min(count, _MANY)
    return found + struct.pack(
        "<IHHHHIIH", 0x06054B50, 0, 0, count, count, min(directory, _LIMIT), min(offset, _LIMIT), 0
    )
