"""A configuration as cards and runs tell of it."""

from __future__ import annotations

import dataclasses
from typing import Any

LATER = {"written": "if set"}
"""Marks a key that came after the first checkpoints: it is told of where it is not at its default only, so that the
cards and runs from before stay equal to their configuration."""

PLACE = {"written": "never"}
"""Marks a key that says where data lie: data may move, and their fingerprint says whether they are the same."""


def written(config: Any) -> dict[str, Any]:
    """Return a `TrainConfig` as plain values, without keys that came later and are at their default.

    Folders are left out too: data and first weights may move, and their hashes say whether they are the same.
    """
    values = plain(config)
    values["data"].pop("folder", None)
    values["fit"].pop("start", None)
    return values


def plain(table: Any) -> dict[str, Any]:
    """Return a table, a frozen dataclass, as plain values, without what is never written or is not yet set."""
    values: dict[str, Any] = {}
    for one in dataclasses.fields(table):
        value = getattr(table, one.name)
        if one.metadata != PLACE and (one.metadata != LATER or value != one.default):
            values[one.name] = plain(value) if dataclasses.is_dataclass(value) else value
    return values
