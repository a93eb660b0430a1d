"""Zip archives that strangers sent, as Planet delivers its orders."""

from __future__ import annotations

import errno
import re
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from geo.bundle import Bundle, find_bundles
from geo.errors import SceneRejected

_WANTED = (".tif", ".tiff", ".json", ".xml")
_PIECE = 2**20


@dataclass(frozen=True)
class Limits:
    """What an archive may hold.

    Attributes:
        max_files: entries, wanted or not.
        max_bytes: size of everything once unpacked.
        max_ratio: unpacked over packed size, counted once `grace_bytes` are out.
    """

    max_files: int = 2_000
    max_bytes: int = 16 * 2**30
    max_ratio: float = 200.0
    grace_bytes: int = 64 * 2**20


def unpack(archive: Path, into: Path, limits: Limits | None = None) -> list[Bundle]:
    """Unpack the images, masks and metadata of a zip and group them into scenes.

    Names are checked before anything is written; sizes are counted while writing, whatever the archive declares.
    Other files (previews, manifests of other kinds) stay packed.

    Args:
        archive: the zip.
        into: an existing folder, empty.
        limits: bounds on number, size and ratio.

    Raises:
        SceneRejected: the archive is damaged, encrypted, holds unsafe names or links, is larger than the limits,
            or holds no image. What was written to `into` is for the caller to drop.
    """
    limits = limits or Limits()
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = _safe_entries(opened, archive.name, limits)
            _extract(opened, entries, into, archive, limits)
    # Damaged archives reach zipfile's parser and zlib as all of these.
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as err:
        if isinstance(err, OSError) and err.errno != errno.EINVAL:  # EINVAL: an entry begins before the file does
            raise
        raise SceneRejected(
            f"{archive.name} is not a sound zip archive ({err}); zip it anew, without a password"
        ) from err
    bundles = find_bundles(path for path in into.rglob("*") if path.is_file())
    if not bundles:
        raise SceneRejected(f"{archive.name} holds no image; expected GeoTIFFs, as *_3B_AnalyticMS_SR.tif")
    return bundles


def _safe_entries(opened: zipfile.ZipFile, name: str, limits: Limits) -> list[zipfile.ZipInfo]:
    entries = [entry for entry in opened.infolist() if not entry.orig_filename.endswith("/")]
    if len(entries) > limits.max_files:
        raise SceneRejected(
            f"{name} holds {len(entries):,} files, more than the limit of {limits.max_files:,}; split it"
        )
    seen: set[str] = set()
    for entry in entries:
        reason = _unsafe(entry)
        if reason:
            raise SceneRejected(f"{name}: entry {entry.filename[:128]!r} {reason}; zip the scene's own files only")
        folded = entry.filename.casefold()
        if folded in seen:
            raise SceneRejected(f"{name} holds {entry.filename[:128]!r} twice; zip each file once")
        seen.add(folded)
    return [entry for entry in entries if entry.filename.lower().endswith(_WANTED)]


def _unsafe(entry: zipfile.ZipInfo) -> str:
    name = entry.orig_filename
    parts = name.split("/")
    if name.startswith("/") or "\\" in name or re.match(r"[A-Za-z]:", name):
        return "has an absolute or foreign path"
    if ".." in parts or "." in parts or "" in parts:
        return "leads out of the archive"
    if any(ord(c) < 32 for c in name) or any(len(part.encode(errors="replace")) > 200 for part in parts):
        return "has a name that is no file name"
    if entry.flag_bits & 0x1:
        return "is encrypted"
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "is a link or a device"
    return ""


def _extract(
    opened: zipfile.ZipFile, entries: list[zipfile.ZipInfo], into: Path, archive: Path, limits: Limits
) -> None:
    bound = min(limits.max_bytes, max(limits.grace_bytes, limits.max_ratio * archive.stat().st_size))
    written = 0
    for entry in entries:
        target = into.joinpath(*PurePosixPath(entry.filename).parts)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            file = target.open("xb")
        except (FileExistsError, NotADirectoryError) as err:
            raise SceneRejected(f"{archive.name}: {entry.filename[:128]!r} is both a file and a folder") from err
        with file, opened.open(entry) as packed:
            while piece := packed.read(_PIECE):
                written += len(piece)
                if written > bound:
                    raise SceneRejected(
                        f"{archive.name} unpacks to more than {bound:,.0f} bytes from {archive.stat().st_size:,}; "
                        "send the scenes in smaller archives"
                    )
                file.write(piece)
