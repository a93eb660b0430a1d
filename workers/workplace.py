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
    _engines: dict[str, Engine] = field(default_factory=dict)
    _opening: threading.Lock = field(default_factory=threading.Lock)

    def engine(self, folder: Path, model_hash: str) -> Engine:
        """Return the engine of a checkpoint, loaded once per process and hash of its weights."""
        from models.engines.open import open_engine

        with self._opening:
            if model_hash not in self._engines:
                while len(self._engines) >= ENGINES_KEPT:
                    self._engines.pop(next(iter(self._engines)))
                settings = self.settings
                self._engines[model_hash] = open_engine(folder, device=settings.device, threads=settings.threads)
            return self._engines[model_hash]
