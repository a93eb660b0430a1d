"""The plan of a job: which scenes on which dates, onto which grid, in which blocks, by which model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

from geo.blocks import Block

EPOCH = date(1970, 1, 1)


def date_of(day: int) -> date:
    """Return the calendar date of days since 1970-01-01."""
    return EPOCH + timedelta(days=day)


@dataclass(frozen=True)
class PlannedDate:
    """One date of the output: scenes that are read as one, best first.

    Attributes:
        label: YYYYMMDD, with _HHMM where a day has more than one date; stands in product names.
        day: days since 1970-01-01.
        scene_ids: scenes in the order in which they fill pixels.
    """

    label: str
    day: int
    scene_ids: tuple[str, ...]

    @property
    def date(self) -> date:
        """The calendar date, UTC."""
        return date_of(self.day)


@dataclass(frozen=True)
class Plan:
    """Everything that decides a job's products; the same plan gives the same bytes.

    Attributes:
        model_id: name@version.
        model_hash: SHA-256 of the weights.
        geobox: output grid, north-up, origin on a multiple of the stride of the scenes' global pixel grid.
        aoi: area of interest, WGS84; pixels whose centre lies outside are nodata.
        dates: in order of time.
        blocks: those that touch the AOI.
        block_px, halo_px: edge of a core, and the context read around it, in pixels.
        min_area_ha: smallest polygon (minimum mapping unit).
        simplify_px: tolerance of the polygons' outlines, in pixels; 0 keeps the pixels' edges.
        tta: test-time augmentation: the mean over mirror images.
    """

    model_id: str
    model_hash: str
    geobox: GeoBox
    aoi: BaseGeometry
    dates: tuple[PlannedDate, ...]
    blocks: tuple[Block, ...]
    block_px: int
    halo_px: int
    min_area_ha: float = 0.0
    simplify_px: float = 0.0
    tta: bool = False

    def __post_init__(self) -> None:
        if not self.dates or not self.blocks:
            raise ValueError("a plan needs at least one date and one block")
        if [d.label for d in self.dates] != sorted({d.label for d in self.dates}):
            raise ValueError("a plan's dates must be distinct and in order")

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        crs = self.geobox.crs
        if crs is None:
            raise ValueError("a plan's grid needs a CRS")
        return {
            "model_id": self.model_id,
            "model_hash": self.model_hash,
            "crs": crs.to_wkt(),
            "transform": list(self.geobox.affine)[:6],
            "shape": list(self.geobox.shape),
            "aoi": mapping(self.aoi),
            "dates": [{"label": d.label, "day": d.day, "scene_ids": list(d.scene_ids)} for d in self.dates],
            "blocks": [[b.index, b.row, b.col, b.height, b.width] for b in self.blocks],
            "block_px": self.block_px,
            "halo_px": self.halo_px,
            "min_area_ha": self.min_area_ha,
            "simplify_px": self.simplify_px,
            "tta": self.tta,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Plan:
        """Read what `to_json` wrote."""
        rows, cols = value["shape"]
        return cls(
            model_id=value["model_id"],
            model_hash=value["model_hash"],
            geobox=GeoBox((rows, cols), Affine(*value["transform"]), value["crs"]),
            aoi=shape(value["aoi"]),
            dates=tuple(PlannedDate(d["label"], d["day"], tuple(d["scene_ids"])) for d in value["dates"]),
            blocks=tuple(Block(*b) for b in value["blocks"]),
            block_px=value["block_px"],
            halo_px=value["halo_px"],
            min_area_ha=value["min_area_ha"],
            simplify_px=value["simplify_px"],
            tta=value.get("tta", False),
        )
