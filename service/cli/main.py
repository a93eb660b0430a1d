"""The command line `chronoseg`. Heavy imports stand in the commands, so that --help is quick."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from geo.errors import GeoError
from models.errors import ModelError
from service.cli import keys
from service.cli.learning import evaluate, models, train
from service.cli.playing import demo, simulate
from service.cli.running import api, serve, worker
from service.cli.segment import segment
from service.errors import ServiceError
from workers.errors import WorkerError

EXPECTED = (GeoError, ModelError, WorkerError, ServiceError, FileNotFoundError, PermissionError, IsADirectoryError)
"""Errors whose message is for the user, and needs no stack trace."""


def settings_error(err: Exception) -> str | None:
    """Return what is wrong with the settings or the database, where that is what an error means."""
    if not type(err).__module__.startswith(("pydantic", "sqlalchemy")):
        return None
    from pydantic import ValidationError
    from sqlalchemy.exc import OperationalError

    if isinstance(err, ValidationError) and err.title == "Settings":
        return "; ".join(_setting_error(e["loc"], e["msg"]) for e in err.errors())
    if isinstance(err, OperationalError):
        return f"the database cannot be reached: {err.orig}"
    return None


def _setting_error(loc: tuple[int | str, ...], message: str) -> str:
    """Return an error with the name of its setting; one of several settings together names them itself."""
    return f"CHRONOSEG_{'_'.join(map(str, loc)).upper()}: {message}" if loc else message


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except EXPECTED as err:
            message: str | None = str(err)
        except Exception as err:
            message = settings_error(err)
            if message is None:
                raise
        typer.echo(f"chronoseg: {message}", err=True)
        raise typer.Exit(1)


app = typer.Typer(
    cls=_Commands,
    help="Land-cover change from satellite time series.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(keys.app, name="keys")
for command in (serve, api, worker, segment, simulate, train, evaluate, models, demo):
    app.command()(command)

if __name__ == "__main__":
    app(prog_name="chronoseg")
