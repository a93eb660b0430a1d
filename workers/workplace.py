"""What a worker process works with."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from celery import Celery

from models.engine import Engine
from workers.database import Sessions
from workers.settings import Settings
from workers.store import Store

ENGINES_KEPT = 2


@dataclass(frozen=True)
class Workplace:
    """The parts of one worker process.

    Attributes:
        settings: of the process.
        sessions: makes database sessions.
        store: where uploads, scenes, blocks and products lie.
        celery: sends messages.
        scratch: this process's own folder for work in progress.
        stopping: set once the process was told to end; work is then given back at the next date.
    """

    settings: Settings
    sessions: Sessions
    store: Store
    celery: Celery
    scratch: Path
    stopping: threading.Event = field(default_factory=threading.Event)
    _engines: dict[tuple[str, bool], Engine] = field(default_factory=dict)
    _opening: threading.Lock = field(default_factory=threading.Lock)

    def engine(self, folder: Path, model_hash: str, *, tta: bool) -> Engine:
        """Return the engine of a checkpoint, with test-time augmentation or without, loaded once per process."""
        from models.engines.open import open_engine

        key = model_hash, tta
        with self._opening:
            if key not in self._engines:
                while len(self._engines) >= ENGINES_KEPT:
                    self._engines.pop(next(iter(self._engines)))
                device, threads = self.settings.device, self.settings.threads
                self._engines[key] = open_engine(folder, device=device, threads=threads, tta=tta)
            return self._engines[key]
