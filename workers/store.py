"""The store: where uploads, scenes, blocks and products lie; a local folder or an S3 bucket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from workers.errors import KeyRefused

if TYPE_CHECKING:
    from workers.settings import Settings

CHUNK_BYTES = 1 << 20


def open_store(settings: Settings) -> Store:
    """Open the store that the settings name: `s3://bucket/prefix`, else a local folder."""
    if settings.store.startswith("s3://"):
        from workers.s3_store import S3Store

        bucket, _, prefix = settings.store.removeprefix("s3://").partition("/")
        return S3Store(bucket, prefix.strip("/"), endpoint_url=settings.s3_endpoint_url)
    from workers.local_store import LocalStore

    return LocalStore(Path(settings.store.removeprefix("file://")))


def check_key(key: str) -> str:
    """Return the key, or refuse what is none.

    Raises:
        KeyRefused: absolute, with an empty, hidden or `..` part, a backslash or a NUL.
    """
    parts = key.split("/")
    if any(not part or part.startswith(".") or "\\" in part or "\0" in part for part in parts):
        raise KeyRefused(f"expected a relative key such as masks/JOB/NAME, without .. or hidden parts; got {key!r}")
    return key


@dataclass(frozen=True)
class Stat:
    """Size in bytes, and modification time as epoch seconds, of something stored."""

    size: int
    modified: float


class Store(Protocol):
    """Keys are relative POSIX paths, such as `masks/{job}/mask_20200801.tif`.

    Where the store cannot be reached for now, every method raises StoreUnavailable.
    """

    def prepare(self) -> None:
        """Make the folder or bucket if it is missing; called where a service starts."""

    def put(self, path: Path, key: str) -> None:
        """Store a file under a key, whole or not at all, in place of what was there.

        The file may be shared, not copied: it may be removed afterwards, but not written to.
        """

    def get(self, key: str, path: Path) -> None:
        """Bring what is stored to a local path, to be read only. Raises NotStored."""

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from `start` on, in chunks. Raises NotStored, at once."""

    def stat(self, key: str) -> Stat:
        """Tell size and time. Raises NotStored."""

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with `prefix`, in order."""

    def remove(self, prefix: str) -> None:
        """Remove every key that begins with `prefix`; none is fine."""

    def folder(self, prefix: str) -> Path | None:
        """Return the local folder that holds the keys `prefix`/..., or None where the store is elsewhere."""

    def gdal_path(self, key: str) -> str:
        """Return a path by which GDAL reads the key in this process."""
