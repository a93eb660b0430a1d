"""The store: where uploads, scenes, blocks and products lie; a local folder or an S3 bucket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Stat:
    """Size in bytes, and modification time as epoch seconds, of something stored."""

    size: int
    modified: float


class Store(Protocol):
    """Keys are relative POSIX paths, such as `masks/{job}/mask_20200801.tif`."""

    def put(self, path: Path, key: str) -> None:
        """Store a file under a key, whole or not at all, in place of what was there."""

    def get(self, key: str, path: Path) -> None:
        """Copy what is stored to a local file. Raises NotStored."""

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from `start` on, in chunks. Raises NotStored."""

    def stat(self, key: str) -> Stat:
        """Tell size and time. Raises NotStored."""

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with `prefix`."""

    def remove(self, prefix: str) -> None:
        """Remove every key that begins with `prefix`; none is fine."""

    def gdal_path(self, key: str) -> str:
        """Return a path by which GDAL reads the key in this process."""
