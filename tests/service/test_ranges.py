from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from service.ranges import Unsatisfiable, parse_range, precondition, range_holds

DATA = bytes(range(256))
TAG = '"abc"'
TIME = 1_600_000_000.7


@given(st.integers(0, 400), st.integers(0, 400), st.integers(1, 256))
def test_closed_range_is_the_slice(start: int, length: int, size: int) -> None:
    found = parse_range(f"bytes={start}-{start + length}", size)
    wanted = DATA[:size][start : start + length + 1]
    if wanted:
        assert isinstance(found, tuple)
        assert DATA[:size][slice(*found)] == wanted
    else:
        assert found == Unsatisfiable()


@given(st.integers(0, 400), st.integers(1, 256))
def test_suffix_is_the_end(length: int, size: int) -> None:
    found = parse_range(f"bytes=-{length}", size)
    if length:
        assert isinstance(found, tuple)
        assert DATA[:size][slice(*found)] == DATA[:size][-length:]
    else:
        assert found == Unsatisfiable()


def test_open_range() -> None:
    assert parse_range("bytes=10-", 30) == (10, 30)
    assert parse_range("BYTES = 10-", 30) == (10, 30)
    assert parse_range("bytes=30-", 30) == Unsatisfiable()
    assert parse_range("bytes=0-", 0) == Unsatisfiable()
    assert parse_range("bytes=-5", 0) == Unsatisfiable()


@pytest.mark.parametrize(
    "header",
    ["", "bytes", "bytes=", "bytes=-", "bytes=5-2", "bytes=a-b", "items=0-5", "bytes=0-1,5-9", "bytes=٣-", "0-5"],
)
def test_what_is_no_single_range_is_ignored(header: str) -> None:
    assert parse_range(header, 30) is None


@given(st.text("bytes=-,0123456789 ", max_size=20), st.integers(0, 300))
def test_any_text_gives_a_part_or_nothing(text: str, size: int) -> None:
    found = parse_range(text, size)
    if isinstance(found, tuple):
        assert 0 <= found[0] < found[1] <= size


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, None),
        ({"if-none-match": TAG}, 304),
        ({"if-none-match": f'"x", W/{TAG}'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"x"'}, None),
        ({"if-none-match": '"x"', "if-modified-since": formatdate(TIME, usegmt=True)}, None),
        ({"if-modified-since": formatdate(TIME, usegmt=True)}, 304),
        ({"if-modified-since": formatdate(TIME - 5, usegmt=True)}, None),
        ({"if-modified-since": "no date"}, None),
        ({"if-match": TAG}, None),
        ({"if-match": "*"}, None),
        ({"if-match": f"W/{TAG}"}, 412),
        ({"if-match": '"x"'}, 412),
        ({"if-unmodified-since": formatdate(TIME, usegmt=True)}, None),
        ({"if-unmodified-since": formatdate(TIME - 5, usegmt=True)}, 412),
    ],
)
def test_preconditions(headers: dict[str, str], status: int | None) -> None:
    assert precondition(Headers(headers), TAG, TIME) == status


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        (TAG, True),
        ('"x"', False),
        (f"W/{TAG}", False),
        (formatdate(TIME, usegmt=True), True),
        (formatdate(TIME + 60, usegmt=True), False),
        ("nonsense", False),
    ],
)
def test_if_range(value: str, holds: bool) -> None:
    assert range_holds(Headers({"if-range": value}), TAG, TIME) is holds
    assert range_holds(Headers({}), TAG, TIME)
