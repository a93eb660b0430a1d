"""The API as its clients meet it: a real server on a free port, real SQLite, a store in a folder."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import structlog
import uvicorn
from fastapi import FastAPI

from service.app import create_app
from service.claim import listening
from service.context import Context
from tests.conftest import wait_for
from workers.database import migrate
from workers.settings import Settings

NO_BROKER = "redis://127.0.0.1:1/0"


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Serve an app from a thread; yields its address."""
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with listening("127.0.0.1", 0) as sock:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
        thread.start()
        try:
            wait_for(lambda: server.started or not thread.is_alive(), "the server starts")
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


@pytest.fixture(autouse=True)
def plain_log() -> None:
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with its schema; copying it is quicker than making it."""
    path = tmp_path_factory.mktemp("database") / "empty.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def service_settings(tmp_path: Path, empty_database: Path) -> Settings:
    """An empty database and store; a broker that is away, so that nothing is done behind the test's back."""
    settings = Settings(data_dir=tmp_path / "data", broker_url=NO_BROKER, max_upload_mb=2)
    settings.data_dir.mkdir()
    shutil.copyfile(empty_database, settings.data_dir / "chronoseg.db")
    return settings


@pytest.fixture
def app(service_settings: Settings) -> FastAPI:
    return create_app(service_settings)


@pytest.fixture
def parts(app: FastAPI) -> Context:
    """What the API works with: the test puts records and files there."""
    found: Context = app.state.context
    return found


@pytest.fixture
def url(app: FastAPI) -> Iterator[str]:
    with serving(app) as address:
        yield address


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        yield client
