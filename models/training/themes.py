"""What the two shipped networks are about: legend, change and head. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from models.card import Change, LandClass


@dataclass(frozen=True)
class Theme:
    """A question that a network answers per pixel and date.

    Attributes:
        head: `hazard` (a change that never goes back) or `class` (`models.heads`).
        followed: class whose area is scored: the one that the change makes or unmakes.
    """

    title: str
    description: str
    head: str
    classes: tuple[LandClass, ...]
    change: Change
    followed: int


THEMES = {
    "burned-area": Theme(
        title="Burned area",
        description=(
            "Burned since the first look, per date, within one fire season. A hazard per interval, accumulated: "
            "the burned area only grows, and each pixel has the date at which it was first seen burned."
        ),
        head="hazard",
        classes=(LandClass(id=0, name="unburned", color="#d9d4c3"), LandClass(id=1, name="burned", color="#c1272d")),
        change=Change(name="burned", before=0, after=1),
        followed=1,
    ),
    "tree-cover": Theme(
        title="Tree cover",
        description=(
            "Trees or no trees, per date. A date that is not clear repeats the last look, so that a clearing is dated "
            "to the first clear look after it."
        ),
        head="class",
        classes=(LandClass(id=0, name="no trees", color="#e6d9a8"), LandClass(id=1, name="trees", color="#1b7837")),
        change=Change(name="tree loss", before=1, after=0),
        followed=1,
    ),
}
