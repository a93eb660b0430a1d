"""Range and conditional requests (RFC 9110, sections 13 and 14): one range is served, several give the whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime


@dataclass(frozen=True)
class Unsatisfiable:
    """The range begins past the end; the answer is 416."""


def parse_range(header: str, size: int) -> tuple[int, int] | Unsatisfiable | None:
    """Read a Range header.

    Args:
        header: its value.
        size: bytes of the whole.

    Returns:
        (start, end), end exclusive; None where the header is to be ignored: another unit, bad syntax, or several
        ranges, which a server may answer with the whole.
    """
    match = re.fullmatch(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", header, re.IGNORECASE | re.ASCII)
    if match is None or not (match[1] or match[2]) or len(header) > 100:
        return None
    if not match[1]:
        length = min(int(match[2]), size)
        return (size - length, size) if length else Unsatisfiable()
    start, end = int(match[1]), int(match[2]) + 1 if match[2] else size
    if end <= start:
        # "5-2" is bad syntax, except where the end was left out and the start lies past the last byte.
        return None if match[2] else Unsatisfiable()
    return (start, min(end, size)) if start < size else Unsatisfiable()


def range_holds(headers: Mapping[str, str], etag: str, modified: float) -> bool:
    """Tell whether the Range header counts: without If-Range it does, with it only for the very same bytes."""
    validator = headers.get("if-range")
    if validator is None:
        return True
    if validator.startswith(('"', "W/")):
        return validator == etag and not etag.startswith("W/")
    return _seconds(validator) == int(modified)


def precondition(headers: Mapping[str, str], etag: str, modified: float | None = None) -> int | None:
    """Evaluate the preconditions of a GET or HEAD: None to go on, else 304 or 412 (RFC 9110, 13.2.2).

    Those of time do not count where it is not known when the bytes were made.
    """
    wanted = headers.get("if-match")
    since = headers.get("if-unmodified-since")
    if wanted is not None:
        if not _listed(wanted, etag, weak=False):
            return 412
    elif since is not None and modified is not None and _later(modified, since):
        return 412
    known = headers.get("if-none-match")
    since = headers.get("if-modified-since")
    if known is not None:
        return 304 if _listed(known, etag, weak=True) else None
    if since is not None and modified is not None and _seconds(since) is not None and not _later(modified, since):
        return 304
    return None


def _listed(header: str, etag: str, *, weak: bool) -> bool:
    if header.strip() == "*":
        return True
    tags = re.findall(r'(?:W/)?"[^"]*"', header)
    if weak:
        return etag.removeprefix("W/") in [tag.removeprefix("W/") for tag in tags]
    return etag in tags and not etag.startswith("W/")


def _later(modified: float, date: str) -> bool:
    limit = _seconds(date)
    return limit is not None and int(modified) > limit


def _seconds(date: str) -> int | None:
    try:
        return int(parsedate_to_datetime(date).timestamp())
    except (ValueError, OverflowError):
        return None
