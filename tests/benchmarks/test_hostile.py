"""A sample of the hostile corpus: `python -m benchmarks.hostile` reads all of it."""

from __future__ import annotations

from benchmarks.hostile import WHOLE, count


def test_every_fortieth_hostile_file_ends_as_it_must() -> None:
    table, wrong = count(every=40, timeout_s=120, memory_mb=2048)
    assert wrong == []
    assert table[WHOLE] == {"scene": 2}
    assert sum(ended["refused"] for ended in table.values()) >= 8
