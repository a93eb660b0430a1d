from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.dates import DateBy, group_scenes, passes
from geo.scene import Scene
from tests.geo.scenes import BANDS, outline, utm_grid

GRID = utm_grid(4, 4)
OUTLINE = outline(GRID)
NOON = datetime(2020, 8, 1, 12, tzinfo=UTC)


def scene(name: str, acquired: datetime, satellite: str = "1001") -> Scene:
    return Scene(name, acquired, satellite, BANDS, "", "", GRID, OUTLINE)


def told(scenes: list[Scene], by: DateBy = "day") -> list[tuple[str, tuple[str, ...]]]:
    return [(group.label, tuple(one.id for one in group.scenes)) for group in group_scenes(scenes, by)]


def test_a_day_is_one_date() -> None:
    scenes = [scene("b", NOON + timedelta(hours=1), "x"), scene("a", NOON), scene("c", NOON + timedelta(days=2))]
    assert told(scenes) == [("20200801", ("a", "b")), ("20200803", ("c",))]
    assert [group.day for group in group_scenes(scenes)] == [18475, 18477]


def test_two_satellites_on_one_day_may_stay_two_dates() -> None:
    scenes = [scene("a", NOON), scene("b", NOON + timedelta(minutes=31), "1002"), scene("c", NOON + timedelta(hours=5))]
    assert told(scenes, "satellite") == [("20200801_1200", ("a", "c")), ("20200801_1231", ("b",))]
    assert [label for label, _ in told(scenes, "pass")] == ["20200801_1200", "20200801_1231", "20200801_1700"]


def test_a_pass_over_midnight_utc_is_one_date() -> None:
    late = datetime(2020, 8, 1, 23, 59, 50, tzinfo=UTC)
    scenes = [scene(name, late + timedelta(seconds=8 * number)) for number, name in enumerate("abcd")]
    assert told(scenes) == [("20200801", ("a", "b", "c", "d"))]
    assert told([*scenes, scene("e", late + timedelta(days=1))])[1] == ("20200802", ("e",))


def test_other_time_zones_are_taken_to_utc() -> None:
    lima = timezone(timedelta(hours=-5))
    assert told([scene("a", datetime(2020, 8, 1, 22, tzinfo=lima))]) == [("20200802", ("a",))]


def test_dates_of_one_minute_get_letters() -> None:
    scenes = [scene(name, NOON, f"satellite {name}") for name in "abc"]
    assert [label for label, _ in told(scenes, "satellite")] == ["20200801_1200", "20200801_1200b", "20200801_1200c"]


def test_an_unknown_grouping_is_refused() -> None:
    with pytest.raises(ValueError, match="week"):
        told([scene("a", NOON)], cast(DateBy, "week"))


@given(
    st.lists(st.tuples(st.integers(0, 6000), st.sampled_from("xyz")), min_size=1, max_size=60),
    st.sampled_from(["day", "pass", "satellite"]),
)
def test_every_scene_is_in_one_date_and_labels_are_distinct_and_in_order(
    looks: list[tuple[int, str]], by: DateBy
) -> None:
    scenes = [scene(f"{n:03d}", NOON + timedelta(minutes=m), s) for n, (m, s) in enumerate(looks)]
    dates = told(scenes, by)
    assert sorted(name for _, names in dates for name in names) == [one.id for one in scenes]
    assert [label for label, _ in dates] == sorted({label for label, _ in dates})
    assert told(scenes[::-1], by) == dates
    for one in passes(scenes):
        assert any({part.id for part in one} <= set(names) for _, names in dates)
