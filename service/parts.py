"""The bytes of uploads that are not whole yet: a folder for each in the API's scratch, and one writer at a time.

The database says how many bytes are safe; what lies beyond them in a file is the rest of a write that broke off, and
is cut. A file may also hold less, where another host's API wrote the rest: then the shorter one counts, for every file
is a true beginning of the upload.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from service.errors import UploadLocked
from workers.settings import Settings

_LOCK = ".lock"
_COPY_BYTES = 1 << 20


def parts_of(settings: Settings) -> Parts:
    """Return where the bytes of unfinished uploads lie."""
    return Parts(settings.scratch / "uploads")


class Parts:
    """Folders of unfinished uploads, which several API processes may share."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, upload_id: str, filename: str) -> Path:
        """Return where the bytes lie, if there are any here."""
        return self._root / upload_id / filename

    def held(self, upload_id: str, filename: str) -> int:
        """Return how many bytes lie here, safe or not."""
        try:
            return self.path(upload_id, filename).stat().st_size
        except FileNotFoundError:
            return 0

    def ids(self) -> set[str]:
        """Return the uploads of which something lies here."""
        return {folder.name for folder in self._root.iterdir()} if self._root.is_dir() else set()

    @contextmanager
    def locked(self, upload_id: str) -> Iterator[None]:
        """Be the only one who writes to an upload; the kernel gives it back however the process ends.

        Raises:
            UploadLocked: somebody else does.
        """
        folder = self._root / upload_id
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except (FileNotFoundError, FileExistsError) as err:  # it was removed between the two, or while mkdir looked
            raise _locked(upload_id) from err
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as err:
            raise _locked(upload_id) from err
        finally:
            os.close(lock)

    def open(self, upload_id: str, filename: str, offset: int) -> BinaryIO:
        """Open an upload that is locked for writing from `offset` on; what lies beyond is cut."""
        path = self.path(upload_id, filename)
        path.touch()
        if path.stat().st_nlink > 1:
            _unshare(path, offset)
        file = path.open("r+b")
        file.truncate(offset)
        file.seek(offset)
        return file

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Make a folder for an upload that comes in one request; gone afterwards, or swept away if we die."""
        name = f"request-{uuid4().hex}"
        with self.locked(name):
            try:
                yield self._root / name
            finally:
                self.remove(name)

    def remove(self, upload_id: str) -> None:
        """Remove what lies here of an upload that is locked."""
        shutil.rmtree(self._root / upload_id, ignore_errors=True)


def sync(file: BinaryIO) -> None:
    """Return when all that was written is on disk."""
    file.flush()
    os.fsync(file.fileno())


def _locked(upload_id: str) -> UploadLocked:
    return UploadLocked(f"another request writes to upload {upload_id}; try again in a moment")


def _unshare(path: Path, offset: int) -> None:
    """Give the upload a file of its own: the store shares the bytes of one whose end broke off after it was stored."""
    aside = path.with_name(f".{uuid4().hex}")
    with path.open("rb") as source, aside.open("xb") as target:
        left = offset
        while left and (chunk := source.read(min(left, _COPY_BYTES))):
            target.write(chunk)
            left -= len(chunk)
        sync(target)
    aside.replace(path)
