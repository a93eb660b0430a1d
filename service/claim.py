"""The claim of one `serve` on its data folder, and on its address."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.errors import ServeRefused

NOTE = "serve.json"
"""File in the data folder: who serves it, and where. Locked as long as that process lives."""


@contextmanager
def claimed(folder: Path) -> Iterator[int]:
    """Hold a data folder for this process alone; the kernel gives it back however the process ends.

    Args:
        folder: made if it is not there.

    Raises:
        ServeRefused: another process serves it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / NOTE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as err:
        raise ServeRefused(
            f"the data folder {folder} cannot be used: {err.strerror}; choose one with --data-dir"
        ) from err
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as err:
        os.close(handle)
        raise ServeRefused(
            f"the data folder {folder} is served already, {_holder(folder)}; stop that one or choose another --data-dir"
        ) from err
    try:
        yield handle
    finally:
        os.ftruncate(handle, 0)
        os.close(handle)


def note(handle: int, url: str) -> None:
    """Write into the claimed folder who serves it and where."""
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps({"pid": os.getpid(), "url": url}).encode(), 0)


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 takes any free one.

    Raises:
        ServeRefused: the address is taken or not this machine's.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
        found = socket.socket(family, kind)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(address)
            found.listen(2048)
        except OSError:
            found.close()
            raise
    except OSError as err:
        if err.errno == errno.EADDRINUSE:
            raise ServeRefused(f"port {port} on {host} is in use; choose another with --port") from err
        raise ServeRefused(f"cannot listen on {host}:{port}: {err.strerror or err}") from err
    return found


def free_port() -> int:
    """Return a port of the loopback that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _holder(folder: Path) -> str:
    try:
        held = json.loads((folder / NOTE).read_text())
        return f"by process {held['pid']} at {held['url']}"
    except (OSError, ValueError, KeyError):
        return "by another process"
