"""Small scenes whose pixels tell where they lie, and labels over them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from affine import Affine
from pyproj import Transformer

from models.card import LandClass
from models.training.datasets.scenes import ScenesSource
from models.training.scenes_config import ScenesConfig
from tests.geo.rasters import ROLES, write_tif

CLASSES = tuple(
    LandClass(id=number, name=name, color="#000000") for number, name in enumerate(("bare", "trees", "water"))
)
UTM = "EPSG:32618"
WEST_NORTH = (500_000.0, 1_001_200.0)
BLOCK_M = 320.0


def write_scene(
    path: Path,
    *,
    east_m: float = 0,
    south_m: float = 0,
    res_m: float = 10,
    px: int = 120,
    crs: str = UTM,
    transform: Affine | None = None,
    nodata: float | None = None,
    spoil: bool = False,
    described: bool = True,
) -> None:
    """Write a scene: metres east and south of `WEST_NORTH` in the bands green and red; `spoil` takes 100 m away."""
    path.parent.mkdir(parents=True, exist_ok=True)
    placed = transform or Affine(res_m, 0, WEST_NORTH[0] + east_m, 0, -res_m, WEST_NORTH[1] - south_m)
    cols, rows = np.meshgrid(np.arange(px) + 0.5, np.arange(px) + 0.5)
    x, y = placed.a * cols + placed.b * rows + placed.c, placed.d * cols + placed.e * rows + placed.f
    x, y = Transformer.from_crs(crs, UTM, always_xy=True).transform(x, y)
    east, south = x - WEST_NORTH[0], WEST_NORTH[1] - y
    values = np.stack([np.full(x.shape, 500.0), east, south, np.full(x.shape, 3000.0)]).astype(np.float32)
    if spoil:
        values[0, :5], values[3, 5:10] = np.nan, nodata
    write_tif(path, values, crs=crs, transform=placed, roles=ROLES if described else None, nodata=nodata)


def square(east_m: float, south_m: float, to_east_m: float, to_south_m: float) -> shapely.Polygon:
    """A rectangle in metres east and south of `WEST_NORTH`, in UTM."""
    west, north = WEST_NORTH
    return shapely.box(west + east_m, north - to_south_m, west + to_east_m, north - south_m)


def write_polygons(
    path: Path, labelled: Sequence[tuple[Any, shapely.Geometry]], *, crs: str = "OGC:CRS84", attribute: str = "class"
) -> None:
    """Write geometries in UTM as GeoJSON in WGS84, or as a GeoPackage in `crs`."""
    to_crs = Transformer.from_crs(UTM, crs, always_xy=True)
    moved = [
        (label, shapely.transform(shapely.segmentize(one, 100), lambda xy: np.column_stack(to_crs.transform(*xy.T))))
        for label, one in labelled
    ]
    if path.suffix == ".geojson":
        features = [
            {"type": "Feature", "properties": {attribute: label}, "geometry": json.loads(shapely.to_geojson(one))}
            for label, one in moved
        ]
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        return
    import pyogrio

    pyogrio.raw.write(
        path, shapely.to_wkb(np.array([one for _, one in moved], object)),
        [np.array([label for label, _ in moved], object)], [attribute],
        driver="GPKG", layer="labels", geometry_type="Unknown", crs=crs,
    )  # fmt: skip


def open_scenes(folder: Path, **other: Any) -> ScenesSource:
    """Open `scenes` and `labels.geojson` of a folder."""
    labels = folder / other.pop("labels", "labels.geojson")
    scenes = folder / other.pop("scenes", "scenes")
    config = ScenesConfig(scenes=str(scenes), labels=str(labels), **{"chip_px": 32, "block_m": BLOCK_M, **other})
    return ScenesSource(config, CLASSES)


def write_one_scene(folder: Path) -> Path:
    """Write a scene of 120 x 120 pixels of 10 m, trees in its western half, water in the north-east."""
    write_scene(folder / "scenes" / "a.tif")
    write_polygons(
        folder / "labels.geojson", [("trees", square(0, 0, 600, 1200)), ("water", square(600, 0, 1200, 600))]
    )
    return folder
