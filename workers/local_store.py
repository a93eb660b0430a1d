"""The store in a local folder: atomic by renaming, durable by fsync."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from workers.errors import NotStored
from workers.store import CHUNK_BYTES, Stat, check_key

ASIDE = ".aside"
"""Folder of files that are not whole yet; no key begins with a dot."""


class LocalStore:
    """Files below one folder; several processes, also over a shared file system, may use it at once."""

    def __init__(self, root: Path, *, read_only: bool = False) -> None:
        self._root = root.resolve()
        if not read_only:
            self.prepare()

    def prepare(self) -> None:
        """Make the folder if it is missing."""
        (self._root / ASIDE).mkdir(parents=True, exist_ok=True)

    def put(self, path: Path, key: str) -> None:
        """Store a file whole or not at all; on one file system the bytes are shared, not copied."""
        target, aside = self._path(key), self._root / ASIDE / uuid4().hex
        try:
            _link_or_copy(path, aside)
            _sync(aside)
            _rename_into_place(aside, target)
        finally:
            aside.unlink(missing_ok=True)

    def get(self, key: str, path: Path) -> None:
        """Bring what is stored to a local path; on one file system the bytes are shared."""
        self.stat(key)
        path.unlink(missing_ok=True)
        try:
            _link_or_copy(self._path(key), path)
        except (FileNotFoundError, NotADirectoryError) as err:
            raise NotStored(f"nothing is stored under {key}") from err

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from `start` on, in chunks."""
        self.stat(key)
        return _chunks(self._path(key), start, length)

    def stat(self, key: str) -> Stat:
        """Tell size and time."""
        path = self._path(key)
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError) as err:
            raise NotStored(f"nothing is stored under {key}") from err
        if not path.is_file():
            raise NotStored(f"nothing is stored under {key}")
        return Stat(found.st_size, found.st_mtime)

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with `prefix`, in order."""
        start = self._root / prefix.rpartition("/")[0]
        found = []
        for folder, _, names in os.walk(start):
            place = Path(folder).relative_to(self._root)
            found += [(place / name).as_posix() for name in names if ASIDE not in place.parts]
        yield from sorted(key for key in found if key.startswith(prefix))

    def remove(self, prefix: str) -> None:
        """Remove every key that begins with `prefix`, and the folders that are empty then."""
        check_key(prefix.rstrip("/"))
        for key in self.keys(prefix):
            path = self._root / key
            path.unlink(missing_ok=True)
            self._prune(path.parent)
        if prefix.endswith("/"):
            self._prune_tree(self._root / prefix)

    def folder(self, prefix: str) -> Path | None:
        """Return the folder below the root."""
        return self._path(prefix)

    def gdal_path(self, key: str) -> str:
        """Return the file's path."""
        return str(self._path(key))

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)

    def _prune_tree(self, top: Path) -> None:
        for folder, _, _ in os.walk(top, topdown=False):
            self._prune(Path(folder))

    def _prune(self, folder: Path) -> None:
        while folder != self._root:
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                return
            folder = folder.parent


def _chunks(path: Path, start: int, length: int | None) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        left = length if length is not None else -1
        while chunk := file.read(min(CHUNK_BYTES, left) if left >= 0 else CHUNK_BYTES):
            yield chunk
            left = left - len(chunk) if left >= 0 else left


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _rename_into_place(aside: Path, target: Path) -> None:
    for _ in range(10):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            aside.replace(target)
            _sync(target.parent)
        except FileNotFoundError:  # the folder was pruned between the two
            continue
        return
    raise NotStored(f"{target.parent} is removed again and again while a file is put there")
