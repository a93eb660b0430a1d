"""Commands that run the service: all in one go, or its parts."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

_TURN_S = 0.001
"""How long a thread may keep the interpreter while others wait. Requests hop between the event loop and threads: with
Python's own 5 ms each hop waits behind all threads that compute. `python -m benchmarks.load` shows it."""

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes any free one.")]


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder for database, scenes and results; default ./chronoseg-data.")
    ] = None,
) -> None:
    """Run API, Redis and workers in one go, until Ctrl-C."""
    from service.supervisor import serve as serve_all
    from workers.settings import Settings

    chosen: dict[str, Any] = {} if data_dir is None else {"data_dir": data_dir}
    serve_all(Settings(**chosen), host, port, lambda line: print(line, flush=True))


def api(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    fd: Annotated[int | None, typer.Option(hidden=True, help="Listening socket, inherited.")] = None,
) -> None:
    """Run the HTTP API alone; database, broker and store by CHRONOSEG_... variables."""
    import uvicorn

    from service.app import create_app
    from service.claim import listening
    from service.identity import check_address
    from workers.database import migrate, open_database
    from workers.logs import log_as_json
    from workers.settings import Settings
    from workers.store import open_store

    sys.setswitchinterval(_TURN_S)
    settings = Settings()
    log_as_json()
    migrate(settings.database)
    if fd is None:
        check_address(host, open_database(settings.database), settings)
    open_store(settings).prepare()
    config = uvicorn.Config(
        create_app(settings),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    with listening(host, port) if fd is None else socket.socket(fileno=fd) as sock:
        if fd is None:
            print(f"chronoseg api listens on http://{host}:{sock.getsockname()[1]}", flush=True)
        uvicorn.Server(config).run(sockets=[sock])


def worker(
    queues: Annotated[str, typer.Option(help="Queues to serve, of gpu and io, by commas.")] = "gpu,io",
) -> None:
    """Run a worker; database, broker and store by CHRONOSEG_... variables."""
    from workers.kinds import QUEUES
    from workers.main import run_worker
    from workers.settings import Settings

    wanted = [name.strip() for name in queues.split(",") if name.strip()]
    if not wanted or not set(wanted) <= set(QUEUES):
        raise typer.BadParameter(f"expected queues out of {', '.join(QUEUES)}; got {queues!r}", param_hint="--queues")
    run_worker(Settings(), wanted)
