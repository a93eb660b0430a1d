"""Which jobs a list holds.

Source: OGC 18-062r2, OGC API - Processes 1.0, requirements class Job list.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from sqlalchemy import ColumnElement, Float, func, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from service.errors import SearchRefused
from service.instants import read_interval
from workers.database import epoch
from workers.records import JobRecord
from workers.statuses import PROCESS, STATUS

Words = Annotated[str, Query(max_length=200, description="One or more, separated by commas; nothing: all.")]


def jobs_like(
    type_: Annotated[str, Query(alias="type", max_length=200, description="Only `process` is there.")] = "",
    process: Annotated[str, Query(alias="processID", max_length=200)] = "",
    status: Words = "",
    datetime: Annotated[str, Query(max_length=100, description="When created: a time, or start/end.")] = "",
    least_s: Annotated[float | None, Query(alias="minDuration", ge=0, description="In seconds.")] = None,
    most_s: Annotated[float | None, Query(alias="maxDuration", ge=0, description="In seconds.")] = None,
) -> list[ColumnElement[bool]]:
    """Return the tests that a job must pass.

    A job's duration counts from its start to its end, or to now; a job that has not begun has none.

    Raises:
        SearchRefused: a status or the time cannot be read.
    """
    found = [] if _named(type_, "process") and _named(process, PROCESS) else [~true()]
    if status:
        found.append(JobRecord.state.in_(_states(status)))
    if datetime:
        start, end = read_interval(datetime)
        found += [JobRecord.created >= start] if start else []
        found += [JobRecord.created <= end] if end else []
    duration = func.coalesce(_Unix(JobRecord.finished), epoch()) - _Unix(JobRecord.started)
    if least_s is not None:
        found.append(duration >= least_s)
    if most_s is not None:
        found.append(duration <= most_s)
    return found


def _named(words: str, name: str) -> bool:
    return not words or name in words.split(",")


def _states(status: str) -> list[str]:
    known = set(STATUS.values())
    if unknown := [word for word in status.split(",") if word not in known]:
        raise SearchRefused(f"no status {unknown[0][:50]!r}; there are: {', '.join(sorted(known))}")
    return [state for state, word in STATUS.items() if word in status.split(",")]


class _Unix(FunctionElement[float]):
    """A time as epoch seconds."""

    type = Float()
    inherit_cache = True


@compiles(_Unix, "sqlite")
def _unix_sqlite(element: _Unix, compiler: SQLCompiler, **kw: Any) -> str:
    return f"((julianday({compiler.process(element.clauses, **kw)}) - 2440587.5) * 86400.0)"


@compiles(_Unix, "postgresql")
def _unix_postgresql(element: _Unix, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST(extract(epoch FROM {compiler.process(element.clauses, **kw)}) AS double precision)"
