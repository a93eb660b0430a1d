"""The database: SQLite by default, Postgres by URL; its sessions, its clock, its schema."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, CursorResult, Engine, Float, Update, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 0x6368726F6E6F  # "chrono": one process at a time changes the schema
_NAMES = 0x6E616D65  # "name": apart from the above, for Postgres keeps pairs of numbers apart from single ones
_BUSY_MS = 30_000

Sessions = sessionmaker[Session]


def open_database(url: str) -> Sessions:
    """Return a maker of sessions; nothing is connected yet. Open it anew in a forked process."""
    return sessionmaker(_engine(url), expire_on_commit=False)


def close_database(sessions: Sessions) -> None:
    """Close the connections that are kept open between sessions."""
    bind = sessions.kw["bind"]
    if isinstance(bind, Engine):
        bind.dispose()


@contextmanager
def writing(sessions: Sessions) -> Iterator[Session]:
    """Open a session for a transaction that reads before it writes; commits at the end.

    SQLite takes the write lock at once: a transaction that begins by reading could not take it later
    when another one has written meanwhile.
    """
    with sessions() as session:
        session.connection(execution_options={"begin": "IMMEDIATE"})
        yield session
        session.commit()


def hold(session: Session, name: str) -> None:
    """Wait until no other transaction holds this name, and hold it to the end of this one, begun by `writing`.

    In SQLite a transaction of `writing` holds everything anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:kind, hashtext(:name))"), {"kind": _NAMES, "name": name})


def changed_rows(session: Session, statement: Update) -> int:
    """Execute an update, without telling the objects that the session holds, and return how many rows it changed."""
    result = session.execute(statement.execution_options(synchronize_session=False))
    return result.rowcount if isinstance(result, CursorResult) else 0


def migrate(url: str) -> None:
    """Bring the schema up to date; safe when several processes start at once."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    engine = _engine(url)
    try:
        with engine.connect().execution_options(begin="IMMEDIATE") as connection, connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


class epoch(FunctionElement[float]):  # noqa: N801 - reads as a function of SQL
    """The database's clock, as epoch seconds: one clock for workers on many machines."""

    type = Float()
    inherit_cache = True


@compiles(epoch, "sqlite")
def _epoch_sqlite(_element: epoch, _compiler: SQLCompiler, **_: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(epoch, "postgresql")
def _epoch_postgresql(_element: epoch, _compiler: SQLCompiler, **_: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, json_deserializer=orjson.loads
        )
    if parsed.get_backend_name() != "sqlite":
        raise ValueError(f"expected a database URL sqlite:///FILE or postgresql://..., got {parsed.drivername}://...")
    if not parsed.database or parsed.database == ":memory:":
        raise ValueError("expected sqlite:///FILE: several processes share the database")
    Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, json_deserializer=orjson.loads)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # BEGIN is ours, see `_begin_sqlite`
    connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    _keep_wal(connection)
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _keep_wal(connection: Any) -> None:
    """Have changes written ahead, which is the file's property from the first time on.

    That first time SQLite waits for nobody, whatever the timeout: of several processes that open a new file at once,
    all but one are told that it is locked.
    """
    give_up = time.monotonic() + _BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as err:
            if err.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.01)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin', 'DEFERRED')}")
