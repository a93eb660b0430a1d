"""Dates: which scenes are one look at the ground."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Literal

from geo.scene import Scene

DateBy = Literal["day", "pass", "satellite"]

PASS_GAP = timedelta(minutes=10)
"""Scenes of one satellite that follow each other within this time belong to one pass."""

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class DateGroup:
    """Scenes that are read as one date.

    Attributes:
        label: YYYYMMDD; with _HHMM (UTC) where a day has more than one date.
        day: days since 1970-01-01, UTC, of the first scene.
        scenes: in order of time; pixels are filled in this order.
    """

    label: str
    day: int
    scenes: tuple[Scene, ...]


def group_scenes(scenes: Iterable[Scene], by: DateBy = "day") -> list[DateGroup]:
    """Group scenes into dates.

    A pass over midnight UTC stays whole and belongs to the day on which it began.

    Args:
        scenes: in any order.
        by: `day` joins all passes of a day, `satellite` those of one satellite on a day, `pass` joins none.

    Returns:
        Dates in order of time, with distinct labels in the same order.
    """
    keys: dict[DateBy, Callable[[list[Scene]], object]] = {
        "day": lambda one: _utc(one[0]).date(),
        "satellite": lambda one: (_utc(one[0]).date(), one[0].satellite),
        "pass": lambda one: (_utc(one[0]), one[0].satellite, one[0].id),
    }
    if by not in keys:
        raise ValueError(f"expected by as one of {', '.join(keys)}; got {by!r}")
    joined: dict[object, list[Scene]] = {}
    for one in passes(scenes):
        joined.setdefault(keys[by](one), []).extend(one)
    ordered = sorted((sorted(group, key=_order) for group in joined.values()), key=lambda group: _order(group[0]))
    labels = _labels([_utc(group[0]) for group in ordered])
    return [
        DateGroup(label, (_utc(group[0]).date() - _EPOCH).days, tuple(group))
        for label, group in zip(labels, ordered, strict=True)
    ]


def passes(scenes: Iterable[Scene]) -> list[list[Scene]]:
    """Split scenes into passes of one satellite; scenes of unknown satellites count as one satellite's."""
    found: list[list[Scene]] = []
    ordered = sorted(scenes, key=lambda scene: (scene.satellite, *_order(scene)))
    for _, group in groupby(ordered, key=lambda scene: scene.satellite):
        last: datetime | None = None
        for scene in group:
            if last is None or _utc(scene) - last > PASS_GAP:
                found.append([])
            found[-1].append(scene)
            last = _utc(scene)
    return sorted(found, key=lambda one: _order(one[0]))


def _utc(scene: Scene) -> datetime:
    return scene.acquired.astimezone(UTC)


def _order(scene: Scene) -> tuple[datetime, str]:
    return _utc(scene), scene.id


def _labels(times: Sequence[datetime]) -> list[str]:
    labels: list[str] = []
    for day, group in groupby(times, key=lambda time: time.date()):
        same = list(group)
        if len(same) == 1:
            labels.append(f"{day:%Y%m%d}")
            continue
        minutes = [f"{time:%Y%m%d_%H%M}" for time in same]
        labels += [_with_letter(minute, minutes[:index].count(minute)) for index, minute in enumerate(minutes)]
    return labels


def _with_letter(label: str, earlier: int) -> str:
    """Tell dates of one minute apart: _1030, _1030b, ..., _1030z, _1030zb, ... sort in this order."""
    turns, letter = divmod(earlier, 25)
    return label + "z" * turns + ("" if letter == 0 else chr(ord("a") + letter))
