"""What networks are about: legend, change and head; shipped themes, or a legend of one's own. No torch here."""

from __future__ import annotations

import dataclasses
from colorsys import hsv_to_rgb
from dataclasses import dataclass

from models.card import Change, LandClass
from models.training.static_config import LegendConfig

GOLDEN = 0.618034
"""Steps of the golden ratio around the circle of hues stay far apart, however many there are."""


@dataclass(frozen=True)
class Theme:
    """A question that a network answers per pixel and date.

    Attributes:
        head: `filter` (a change that never goes back) or `class` (`models.heads`).
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
            "Burned since the first date, per date, within one fire season. The burned area only grows, each pixel has "
            "the date at which it was first seen burned, and an alarm that later looks refute is taken back."
        ),
        head="filter",
        classes=(LandClass(id=0, name="unburned", color="#d9d4c3"), LandClass(id=1, name="burned", color="#c1272d")),
        change=Change(name="burned", before=0, after=1, lasting=True),
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

SINGLE_DATE = {
    "burned-area": (
        "Burned area, date by date",
        "Burned or not, from each date alone: what looks burned at a date. Char that has faded is not seen any more.",
    ),
    "tree-cover": (
        "Tree cover, date by date",
        "Trees or no trees, from each date alone. A date that is not clear repeats the last look.",
    ),
}


def single_date(name: str) -> Theme:
    """Return a shipped theme as a static network answers it: the same legend, a class per date."""
    title, description = SINGLE_DATE[name]
    change = THEMES[name].change.model_copy(update={"lasting": False})
    return dataclasses.replace(THEMES[name], title=title, description=description, head="class", change=change)


def about(name: str | None, legend: LegendConfig | None) -> Theme:
    """Return what a static network is about: a shipped theme by its name, or a legend of one's own."""
    return own_theme(legend) if legend is not None else single_date(str(name))


def own_theme(legend: LegendConfig) -> Theme:
    """Return the theme of a legend of one's own; the change that is followed is from class 0 to 1 unless it says so."""
    colors = legend.colors or tuple(_color(number * GOLDEN) for number in range(len(legend.classes)))
    before, after = legend.change or legend.classes[:2]
    return Theme(
        title=legend.title,
        description=legend.description,
        head="class",
        classes=tuple(
            LandClass(id=number, name=name, color=color)
            for number, (name, color) in enumerate(zip(legend.classes, colors, strict=True))
        ),
        change=Change(
            name=f"{before} to {after}", before=legend.classes.index(before), after=legend.classes.index(after)
        ),
        followed=legend.classes.index(after),
    )


def _color(hue: float) -> str:
    red, green, blue = (round(255 * share) for share in hsv_to_rgb(hue % 1, 0.6, 0.85))
    return f"#{red:02x}{green:02x}{blue:02x}"
