"""The [data] table of one's own scenes with labels drawn over them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from models.training.data_config import SplitConfig
from models.training.refusing import require
from models.training.written import PLACE

VOID = "void"


@dataclass(frozen=True, kw_only=True)
class ScenesConfig(SplitConfig):
    """GeoTIFFs on any grids, with polygons or rasters that say what is where; split by location.

    The ground is cut into blocks; whole blocks are held out, in all scenes that show them. `held_out` is the share of
    the blocks with labels (below 1), or their number (1 or more).

    Attributes:
        scenes: a folder of GeoTIFFs, or a pattern; `--scenes`. Not written to the card.
        labels: GeoJSON or GeoPackage of polygons, or a raster, or a pattern of rasters; `--labels`. Not written either.
        attribute: of polygons, that says their class.
        layer: of a GeoPackage; empty = its only one.
        bands: roles, found by the files' band descriptions; or role -> band number, from 1.
        scale, offset: reflectance = value x scale + offset.
        classes: label -> name of the class; empty = labels are names of classes, or their ids.
        void: labels that count nowhere.
        outside: what lies where there is no label: `void`, or the name of a class.
        block_m: edge of a block; 0 = two chips of the coarsest scene.
        buffer_m: width on either side of a border between the two sides that belongs to none; at least the diagonal of
            the coarsest scene's pixel.
    """

    kind: Literal["scenes"] = "scenes"
    scenes: str = field(default="", metadata=PLACE)
    labels: str = field(default="", metadata=PLACE)
    attribute: str = "class"
    layer: str = ""
    bands: tuple[str, ...] | dict[str, int] = ("blue", "green", "red", "nir")
    scale: float = 1e-4
    offset: float = 0.0
    classes: dict[str, str] = field(default_factory=dict)
    void: tuple[str | int, ...] = ()
    outside: str = VOID
    block_m: float = 0.0
    buffer_m: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(bool(self.attribute), "data.attribute", "the name of an attribute", self.attribute)
        require(bool(self.bands), "data.bands", "one band or more", self.bands)
        require(self.scale > 0, "data.scale", "more than 0", self.scale)
        require(min(self.block_m, self.buffer_m) >= 0, "data.block_m, buffer_m", "0 or more", self.block_m)
        both = {str(label) for label in self.void} & set(self.classes)
        require(not both, "data.void", "labels that are not in classes", self.void)

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of the bands, in the order of the network's input."""
        return tuple(self.bands)
