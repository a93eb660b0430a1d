"""How a published data set lies in its folder, and what its labels mean: one short specification each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

BYTE = 1 / 255
"""Scale of 8-bit photographs: 0..1."""

RGB = ("red", "green", "blue")


@dataclass(frozen=True)
class Layout:
    """A published data set.

    Attributes:
        title, description: for the legend, and so for the card.
        images, labels: where the files are; `{split}` stands for the name of a split, `*` for what pairs them. Without
            a `*`, both are TIFFs of many pages that pair by their number.
        classes: names with colours (#rrggbb), the first is class 0.
        splits: names of the authors' two splits, learned from and held out; None where there are none.
        lists: file that names a split's images, one a line; empty = all that are there.
        within: where the data may begin, under the folder that is given.
        values: number in a label file -> class id; empty = the numbers are the class ids.
        void: numbers that count nowhere.
        colors: colour (#rrggbb) in a label file of three bands -> class id; empty = labels are never colours.
        void_colors: colours that count nowhere.
        names: file that gives the numbers in label files by name, `number: name` a line; `values` is not asked then.
        other: class id of all labels that are not listed; None = they are refused.
        bands: roles of the images' bands, in the order of the files.
        scale: what a band's value is multiplied by.
        res_m: smallest and largest pixel size; of photographs nobody knows, so 1.
    """

    title: str
    description: str
    images: str
    labels: str
    classes: tuple[tuple[str, str], ...]
    splits: tuple[str, str] | None = ("train", "val")
    lists: str = ""
    within: tuple[str, ...] = ("",)
    values: Mapping[int, int] = field(default_factory=dict)
    void: tuple[int, ...] = ()
    colors: Mapping[str, int] = field(default_factory=dict)
    void_colors: tuple[str, ...] = ()
    names: str = ""
    other: int | None = None
    bands: tuple[str, ...] = RGB
    scale: float = BYTE
    res_m: tuple[float, float] = (1.0, 1.0)

    @property
    def paged(self) -> bool:
        """True where one file holds all images."""
        return "*" not in self.images

    def expects(self) -> list[str]:
        """Paths that must be there, for people."""
        every = [self.images, self.labels, *([self.lists] if self.lists else []), *([self.names] if self.names else [])]
        return [path.replace("{split}", split) for path in every for split in self._splits_in(path)]

    def _splits_in(self, path: str) -> tuple[str, ...]:
        return self.splits if self.splits and "{split}" in path else ("",)


def legend(text: str) -> tuple[tuple[str, str], ...]:
    """Read `rrggbb name, rrggbb name, ...` into names with colours."""
    parts = [part.split(maxsplit=1) for part in text.replace("\n", " ").split(",")]
    return tuple((name.strip(), f"#{color}") for color, name in parts)


def by_color(classes: tuple[tuple[str, str], ...]) -> dict[str, int]:
    """Return the class id of each colour of a legend."""
    return {color: number for number, (_, color) in enumerate(classes)}


def voc_color(number: int) -> str:
    """Return the colour that Pascal VOC's development kit gives a label: its bits, spread over red, green and blue."""
    channels = [sum(((number >> (3 * bit + channel)) & 1) << (7 - bit) for bit in range(8)) for channel in range(3)]
    return "#" + "".join(f"{value:02x}" for value in channels)
