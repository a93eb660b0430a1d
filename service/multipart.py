"""Several files in one answer, sent as they are read: its size is known before, its memory that of one chunk.

Source: RFC 2387, multipart/related; RFC 2046, section 5.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from service.media import essence

_LINE = b"\r\n"


@dataclass(frozen=True)
class Part:
    """One file.

    Attributes:
        headers: without those that tell its size.
        size: in bytes.
        read: yields just as many bytes; called when it is the part's turn.
    """

    headers: Mapping[str, str]
    size: int
    read: Callable[[], Iterable[bytes]]


class Multipart:
    """An answer of one part or more; its boundary is drawn, so that nothing in them is like it."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts, self._boundary = parts, uuid4().hex

    @property
    def media_type(self) -> str:
        """Media type with its parameters; the first part is the root."""
        root = essence(self._parts[0].headers["Content-Type"])
        return f'multipart/related; type="{root}"; boundary={self._boundary}'

    def size(self) -> int:
        """Return the size of the whole in bytes."""
        return sum(len(self._head(part)) + part.size + len(_LINE) for part in self._parts) + len(self._end())

    def chunks(self) -> Iterator[bytes]:
        """Yield the whole."""
        for part in self._parts:
            yield self._head(part)
            yield from part.read()
            yield _LINE
        yield self._end()

    def _head(self, part: Part) -> bytes:
        told = {**part.headers, "Content-Length": str(part.size)}
        lines = [f"--{self._boundary}", *(f"{name}: {value}" for name, value in told.items()), "", ""]
        return "\r\n".join(lines).encode()

    def _end(self) -> bytes:
        return f"--{self._boundary}--\r\n".encode()
