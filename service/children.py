"""Child processes that never outlive their parent: started, watched, started again, stopped with all they started."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_STEADY_S = 30.0
_LONGEST_PAUSE_S = 30.0


@dataclass(frozen=True)
class Program:
    """What to run.

    Attributes:
        name: for people, and for the log file.
        command: program and arguments.
        env: additions to this process's environment.
        log: file that takes its output.
        config: text that it reads on its standard input.
        fds: file descriptors that it inherits.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    log: Path
    config: str = ""
    fds: tuple[int, ...] = ()


class Child:
    """A program as a process in a session of its own, so that a terminal's Ctrl-C reaches the parent alone."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._started = self._due = 0.0
        self._pause_s = 0.5

    def start(self) -> None:
        """Run the program; must be called from the main thread, whose end Linux takes for the parent's."""
        program = self.program
        parent = os.getpid()
        program.log.parent.mkdir(parents=True, exist_ok=True)
        with program.log.open("ab") as log:
            self._process = subprocess.Popen(
                list(program.command),
                stdin=subprocess.PIPE if program.config else subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **program.env},
                pass_fds=program.fds,
                start_new_session=True,
                preexec_fn=lambda: _die_with(parent),  # noqa: PLW1509 - this process has one thread
            )
        if self._process.stdin is not None:
            self._process.stdin.write(program.config.encode())
            self._process.stdin.close()
        self._started = monotonic()

    @property
    def running(self) -> bool:
        """Whether it runs now."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Its process id, once started."""
        return None if self._process is None else self._process.pid

    def keep_running(self, say: Callable[[str], None]) -> None:
        """Start it again if it ended, after a pause that doubles each time it ends soon."""
        if self.running or self._process is None:
            return
        if not self._due:
            if monotonic() - self._started > _STEADY_S:
                self._pause_s = 0.5
            self._kill_group()
            self._due = monotonic() + self._pause_s
            name, code = self.program.name, self._process.returncode
            say(f"{name} ended with code {code}; starting it again in {self._pause_s:g} s (see {self.program.log})")
            self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
        elif monotonic() >= self._due:
            self._due = 0.0
            self.start()

    def ask_to_stop(self) -> None:
        """Send SIGTERM; it may finish what it is at."""
        if self._process is not None and self.running:
            self._process.terminate()

    def wait(self, until: float) -> None:
        """Wait for its end until a time of the monotonic clock, then kill it and all that it started."""
        if self._process is None:
            return
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(until - monotonic(), 0.0))
        self._kill_group()
        self._process.wait()

    def last_words(self, lines: int = 5) -> str:
        """Return the end of its log."""
        try:
            with self.program.log.open("rb") as file:
                file.seek(max(file.seek(0, os.SEEK_END) - 4000, 0))
                return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])
        except OSError:
            return ""

    def _kill_group(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _die_with(parent: int) -> None:
    """In the child, before the program: ask Linux for SIGKILL at the parent's end."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
