"""Refusing a value of a configuration with the reason."""

from __future__ import annotations

from models.errors import ConfigRefused


def require(holds: bool, key: str, expected: str, value: object) -> None:
    """Raise ConfigRefused with key, expectation and value unless `holds`."""
    if not holds:
        raise ConfigRefused(f"{key}: expected {expected}; got {value!r}")
