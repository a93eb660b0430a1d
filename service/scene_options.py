"""What a client says of a scene that its file does not say: bands, scale, time of acquisition."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from geo.bands import parse_bands
from service.errors import InputsRefused

OPTIONS = ("bands", "scale", "acquired")


def parse_options(texts: Mapping[str, str]) -> dict[str, Any]:
    """Check the texts that came with an upload, and return them as JSON values for the ingest.

    Args:
        texts: of `OPTIONS`, those that the client knows.

    Raises:
        InputsRefused: one of them cannot be read.
        BandsUnknown: the bands cannot be read.
    """
    options: dict[str, Any] = {}
    if empty := [name for name, text in texts.items() if not text]:
        raise InputsRefused(f"{', '.join(empty)}: expected a value; got an empty text: leave out what you do not know")
    if "bands" in texts:
        options["bands"] = parse_bands(texts["bands"])
    if "scale" in texts:
        options["scale"] = _scale(texts["scale"])
    if "acquired" in texts:
        options["acquired"] = _time(texts["acquired"])
    return options


def _scale(text: str) -> float:
    try:
        scale = float(text)
    except ValueError as err:
        raise InputsRefused(f"expected scale as a number such as 0.0001; got {text[:50]!r}") from err
    if not 0 < scale <= 1e6:
        raise InputsRefused(f"expected a scale above zero; got {text[:50]!r}")
    return scale


def _time(text: str) -> str:
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
        aware = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError) as err:
        raise InputsRefused(f"expected acquired as 2020-08-01 or 2020-08-01T14:03:00Z; got {text[:50]!r}") from err
    return aware.isoformat()
