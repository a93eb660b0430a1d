"""Which images show the same ground, so that a split never has one place on both sides."""

from __future__ import annotations

from collections.abc import Sequence

from models.training.datasets.rasters import Header


def places(images: Sequence[tuple[str, Header]]) -> list[list[str]]:
    """Group images whose bounds overlap, directly or through others; images that lie nowhere are places of their own.

    Args:
        images: names and headers. Bounds are compared within one CRS only.

    Returns:
        Names by place, both in the order of `images`.
    """
    place = list(range(len(images)))

    def root(number: int) -> int:
        while place[number] != number:
            number = place[number]
        return number

    for second, (_, header) in enumerate(images):
        for first in range(second):
            if root(first) != root(second) and _overlap(images[first][1], header):
                place[max(root(first), root(second))] = min(root(first), root(second))
    grouped: dict[int, list[str]] = {}
    for number, (name, _) in enumerate(images):
        grouped.setdefault(root(number), []).append(name)
    return list(grouped.values())


def _overlap(one: Header, other: Header) -> bool:
    if one.bounds is None or other.bounds is None or one.crs != other.crs:
        return False
    (west, south, east, north), (left, bottom, right, top) = one.bounds, other.bounds
    return west < right and left < east and south < top and bottom < north
