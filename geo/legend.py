"""A legend: what the values of a class raster mean, and the colours that show them."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class LegendClass:
    """One class of a mask.

    Attributes:
        id: value in the raster, 0..254.
        name: shown to people.
        color: `#rrggbb`, lower case.
    """

    id: int
    name: str
    color: str

    def __post_init__(self) -> None:
        if not 0 <= self.id < 255:
            raise ValueError(f"a class id must lie in 0..254; got {self.id} for {self.name!r}")
        if re.fullmatch(r"#[0-9a-f]{6}", self.color) is None:
            raise ValueError(f"a class colour must look like #d7301f; got {self.color!r} for {self.name!r}")

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue, 0..255."""
        return int(self.color[1:3], 16), int(self.color[3:5], 16), int(self.color[5:7], 16)
