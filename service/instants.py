"""Times as clients write them: RFC 3339, alone or as an interval with open ends."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from service.errors import SearchRefused

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def read_instant(text: str) -> datetime:
    """Read a time such as 2020-08-01T10:00:00Z; parts of a microsecond are dropped.

    Raises:
        SearchRefused: the text is no such time.
    """
    try:
        if not _RFC3339.fullmatch(text):
            raise ValueError(text)
        whole = re.sub(r"(\.\d{6})\d+", r"\1", text.upper())
        return datetime.fromisoformat(whole.replace("Z", "+00:00")).astimezone(UTC)
    except (ValueError, OverflowError) as err:
        raise SearchRefused(f"expected a time as 2020-08-01T10:00:00Z; got {text[:100]!r}") from err


def read_interval(text: str) -> tuple[datetime | None, datetime | None]:
    """Read a time, or start/end of which one may be open (`..` or nothing); both ends belong to it.

    Raises:
        SearchRefused: it has another form, or ends before it begins.
    """
    if "/" not in text:
        instant = read_instant(text)
        return instant, instant
    ends = text.split("/")
    if len(ends) != 2:
        raise SearchRefused(f"expected an interval as start/end; got {text[:100]!r}")
    start, end = (None if part in {"", ".."} else read_instant(part) for part in ends)
    if start is None and end is None:
        raise SearchRefused(f"an interval needs a start or an end; got {text[:100]!r}")
    if start is not None and end is not None and start > end:
        raise SearchRefused(f"the interval ends before it begins: {text[:100]!r}")
    return start, end
