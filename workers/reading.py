"""Reading uploads in processes of their own: strangers' files meet GDAL where a crash, a hang or a bomb harms nobody.

Each upload gets a fresh child of a fork server that has everything imported. The child ends with its parent.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing import connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import TYPE_CHECKING

from geo.errors import SceneRejected
from workers.errors import ReadingDied

if TYPE_CHECKING:
    from geo.bundle import Bundle
    from geo.ingest import IngestOptions

Reader = Callable[[Path, Path, "IngestOptions"], tuple["Bundle", ...]]

START_S = 120.0
_LOOK_S = 0.2


def read_upload(
    source: Path,
    out_dir: Path,
    options: IngestOptions,
    *,
    timeout_s: float,
    memory_mb: int,
    check: Callable[[], None],
    read: Reader | None = None,
) -> tuple[Bundle, ...]:
    """Ingest an upload in a child process.

    Args:
        source: GeoTIFF or zip.
        out_dir: existing, empty; gets the scene's files in `scene`, or those of several scenes in `unpacked`.
        options: of the ingest.
        timeout_s: longest time.
        memory_mb: address space that the child may take beyond what it has at its start.
        check: called several times a second; what it raises ends the child.
        read: what the child runs, importable; by default the ingest.

    Returns:
        Nothing, if `out_dir` holds the scene now; else the scenes that the upload, a zip of several, holds.

    Raises:
        SceneRejected: the file cannot become a scene, or takes more time or memory than allowed.
        ReadingDied: the child was killed or crashed.
    """
    context = _context()
    mine, its = context.Pipe(duplex=False)
    child = context.Process(target=_read, args=(its, read or _ingest, source, out_dir, options, memory_mb), daemon=True)
    child.start()
    its.close()
    try:
        if _wait(mine, child, START_S, check) is None:
            raise ReadingDied(f"the process that was to read {source.name} did not start within {START_S:g} s")
        outcome = _wait(mine, child, timeout_s, check)
    finally:
        child.kill()
        child.join()
        mine.close()
    if outcome is None:
        raise SceneRejected(f"reading {source.name} took longer than {timeout_s:g} s; send it in smaller parts")
    if outcome.rejected:
        raise SceneRejected(outcome.rejected)
    if outcome.trace:
        raise RuntimeError(f"error in the process that read {source.name}:\n{outcome.trace}")
    return outcome.parts


def _wait(
    pipe: connection.Connection, child: ForkServerProcess, seconds: float, check: Callable[[], None]
) -> Outcome | None:
    """Return the next thing that the child tells; None if it takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        check()
        if pipe.poll(_LOOK_S):
            try:
                told: Outcome = pipe.recv()
            except EOFError as err:
                child.join()
                raise ReadingDied(f"the process that read the upload ended with code {child.exitcode}") from err
            return told
    return None


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["workers.reading", "geo.ingest"])
    return context


def _read(
    pipe: connection.Connection, read: Reader, source: Path, out_dir: Path, options: IngestOptions, memory_mb: int
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _limit_memory(memory_mb)
    pipe.send(Outcome())  # from now on the time counts; starting may take long on a busy machine
    try:
        pipe.send(Outcome(parts=read(source, out_dir, options)))
    except SceneRejected as err:
        pipe.send(Outcome(rejected=str(err)))
    except MemoryError:
        pipe.send(Outcome(rejected=f"reading {source.name} takes more than {memory_mb:,} MB of memory"))
    except Exception:
        pipe.send(Outcome(trace=traceback.format_exc()))


def _ingest(source: Path, out_dir: Path, options: IngestOptions) -> tuple[Bundle, ...]:
    from geo.ingest import ingest, split_source

    unpacked = out_dir / "unpacked"
    unpacked.mkdir()
    parts = split_source(source, unpacked, options)
    if len(parts) > 1:
        return tuple(_whole(image, part) for image, part in parts)
    image, part = parts[0]
    ingest(image, out_dir / "scene", part)
    return ()


def _whole(image: Path, options: IngestOptions) -> Bundle:
    """Return an image of several with all that belongs to it, whether it lies beside it or not."""
    from geo.bundle import bundle_of

    beside = bundle_of(image)
    return replace(beside, udm2=options.udm2 or beside.udm2, metadata_json=options.metadata or beside.metadata_json)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
    os._exit(1)


def _limit_memory(memory_mb: int) -> None:
    """Bound the address space beyond what is taken by now, where the system tells how much that is."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (memory_mb << 20), hard))


@dataclass(frozen=True)
class Outcome:
    """What a child tells: the scenes in a zip of several, or why there is none, or the trace of an error of ours."""

    parts: tuple[Bundle, ...] = ()
    rejected: str = ""
    trace: str = ""
