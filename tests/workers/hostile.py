"""What a hostile upload may make its reader do; runs in the reader's process."""

from __future__ import annotations

import os
import signal
import time


def hang(*_: object) -> tuple[()]:
    """Never answer."""
    time.sleep(600)
    return ()


def die(*_: object) -> tuple[()]:
    """Be killed, as by a fault in a library or by the kernel when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
    return ()


def gobble(*_: object) -> tuple[int, ...]:
    """Ask for more memory than allowed."""
    return tuple(bytearray(5 << 30)[:0])


def fall_over(*_: object) -> tuple[()]:
    """Run into an error of ours."""
    raise ZeroDivisionError("secret detail")
