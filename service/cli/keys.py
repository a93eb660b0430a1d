"""`chronoseg keys`: who may use the service. Works on the database; the service need not run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

app = typer.Typer(help="Who may use the service: make, list, rotate and revoke API keys.", no_args_is_help=True)

DataDir = Annotated[
    Path | None, typer.Option(help="Folder of the service's data; default ./chronoseg-data, or CHRONOSEG_DATABASE_URL.")
]
KeyId = Annotated[str, typer.Argument(help="ID of the key, as `list` shows it.")]


@app.command()
def create(
    owner: Annotated[str, typer.Argument(help="Whose scenes and jobs the key is for.")],
    scope: Annotated[list[str], typer.Option(help="read, write or admin; may be given again.")] = ["write"],  # noqa: B006 - typer copies it
    expires_days: Annotated[float | None, typer.Option(min=0, help="Days until it ends; default: never.")] = None,
    adopt: Annotated[bool, typer.Option(help="Give the owner what was made while there was no key.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Make a key and print it: it cannot be shown again."""
    from workers import keys
    from workers.records import now

    expires = None if expires_days is None else now() + timedelta(days=expires_days)
    with _database(data_dir) as session:
        first = not keys.any_keys(session)
        record, key = keys.create_key(session, owner, scope, expires)
        moved = keys.adopt(session, owner) if adopt else None
    print(key)
    _note(f"key {record.id} of {owner}: {', '.join(record.scopes)}, {_until(expires)}; it is not shown again")
    if first:
        _note("from now on every request needs a key")
    if moved:
        _note(f"{moved[0]} scenes and {moved[1]} jobs are {owner}'s now")


@app.command(name="list")
def list_all(data_dir: DataDir = None) -> None:
    """List the keys, newest first."""
    from rich.console import Console
    from rich.table import Table

    from workers import keys

    with _database(data_dir) as session:
        found = keys.list_keys(session)
    table = Table("id", "owner", "scopes", "created", "expires", "state")
    for one in found:
        changed = {"revoked": one.revoked, "rotated": one.rotated}
        state = next((f"{word} {time:%Y-%m-%d}" for word, time in changed.items() if time), "")
        expires = f"{one.expires:%Y-%m-%d %H:%M}" if one.expires else "never"
        table.add_row(one.id, one.owner, ", ".join(one.scopes), f"{one.created:%Y-%m-%d}", expires, state)
    Console().print(table)


@app.command()
def rotate(
    key_id: KeyId,
    grace_hours: Annotated[float, typer.Option(min=0, help="Hours for which the old secret is still taken.")] = 24.0,
    data_dir: DataDir = None,
) -> None:
    """Give a key a new secret and print it."""
    from workers import keys

    with _database(data_dir) as session:
        _, key = keys.rotate_key(session, key_id, timedelta(hours=grace_hours))
    print(key)
    _note(f"key {key_id}: the old secret is taken for {grace_hours:g} more hours")


@app.command()
def revoke(key_id: KeyId, data_dir: DataDir = None) -> None:
    """Refuse a key from now on, for good."""
    from workers import keys

    with _database(data_dir) as session:
        keys.revoke_key(session, key_id)
    _note(f"key {key_id} is not taken any more")


@contextmanager
def _database(data_dir: Path | None) -> Iterator[Session]:
    """Open the database for one transaction."""
    from workers.database import close_database, migrate, open_database, writing
    from workers.settings import Settings

    settings = Settings() if data_dir is None else Settings(data_dir=data_dir)
    if not settings.database_url:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    migrate(settings.database)
    sessions = open_database(settings.database)
    try:
        with writing(sessions) as session:
            yield session
    finally:
        close_database(sessions)


def _note(line: str) -> None:
    typer.echo(line, err=True)


def _until(expires: object) -> str:
    return "never ends" if expires is None else f"ends {expires:%Y-%m-%d %H:%M} UTC"
