"""Times of acquisition in file names and TIFF tags, for files without metadata."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_IN_NAME = re.compile(
    r"(?<!\d)(?P<year>(?:19|20)\d{2})(?P<dash>-?)(?P<month>\d{2})(?P=dash)(?P<day>\d{2})"
    r"(?:[T_-]?(?P<hour>\d{2}):?(?P<minute>\d{2}):?(?P<second>\d{2}))?(?!\d)",
    re.I,
)
_FIRST_SATELLITE = 1972


def time_in_name(name: str) -> datetime | None:
    """Return the first time that a name holds (20200727, 2020-07-27, 20200727T014458), UTC; midnight for a date."""
    for match in _IN_NAME.finditer(name):
        year, month, day = (int(match[part]) for part in ("year", "month", "day"))
        hour, minute, second = (int(match[part] or 0) for part in ("hour", "minute", "second"))
        try:
            time = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError:
            continue
        if time.year >= _FIRST_SATELLITE:
            return time
    return None


def time_in_tag(text: str | None) -> datetime | None:
    """Read TIFFTAG_DATETIME, `2020:07:27 01:44:58`, taken as UTC."""
    try:
        time = datetime.strptime((text or "").strip(), "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return time if time.year >= _FIRST_SATELLITE else None
