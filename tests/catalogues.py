"""Catalogues of any size, written as an ingest writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.affinity import translate
from shapely.geometry import box, mapping, shape
from sqlalchemy import insert

from geo.footprint import to_wgs84
from geo.item import footprint_bbox, scene_item
from geo.lattice import crs_of
from geo.metadata import Metadata
from geo.scene import Scene
from workers.database import Sessions, writing
from workers.items import item_of_scene
from workers.records import SceneRecord, SceneState

_MODELS = 1000
FIRST = datetime(2020, 1, 1, 12, tzinfo=UTC)


def enter_scenes(sessions: Sessions, count: int, owner: str = "", prefix: str = "made", batch: int = 2000) -> None:
    """Enter scenes all over the earth, without files, a minute apart."""
    for start in range(0, count, batch):
        items = [_item(number, prefix) for number in range(start, min(start + batch, count))]
        with writing(sessions) as session:
            session.execute(insert(SceneRecord), [_scene(owner, item) for item in items])
            session.add_all(item_of_scene(owner, item) for item in items)


def made_item(number: int, prefix: str = "made") -> dict[str, Any]:
    """Return the Item of a scene of 24 x 8 km somewhere; some lie across the antimeridian."""
    lon, lat = _place(number)
    zone = int((lon + 180) // 6) % 60 + 1
    north = lat >= 0
    x0 = 500_000 + (lon - (6 * zone - 183)) * 111_320 * np.cos(np.radians(lat))
    y0 = abs(lat) * 110_574 if north else 10_000_000 - abs(lat) * 110_574
    grid = GeoBox(
        (800, 2400),
        Affine(10, 0, round(x0, -1), 0, -10, round(y0, -1)),
        f"EPSG:{(32600 if north else 32700) + zone}",
    )
    scene = Scene(
        id=f"{prefix}-{number:06d}",
        acquired=FIRST + timedelta(minutes=number),
        satellite=f"{number % 7:04x}",
        bands=("blue", "green", "red", "nir"),
        reflectance=f"scenes/{prefix}-{number:06d}/reflectance.tif",
        clear=f"scenes/{prefix}-{number:06d}/clear.tif",
        geobox=grid,
        footprint=to_wgs84(box(*grid.boundingbox), crs_of(grid).to_wkt(), geographic=False),
    )
    cloud = None if number % 10 == 9 else float(number % 97)
    return scene_item(scene, Metadata(cloud_pct=cloud))


def _item(number: int, prefix: str) -> dict[str, Any]:
    """Return a scene's Item; from the thousandth on one of the first, moved, for a CRS takes its time."""
    if number < _MODELS:
        return made_item(number, prefix)
    model = _model(number % _MODELS, prefix)
    (lon, lat), (lon0, lat0) = _place(number), _place(number % _MODELS)
    footprint = translate(shape(model["geometry"]), lon - lon0, lat - lat0)
    name = f"{prefix}-{number:06d}"
    return {
        **model,
        "id": name,
        "geometry": mapping(footprint),
        "bbox": list(footprint_bbox(footprint)),
        "properties": {**model["properties"], "datetime": (FIRST + timedelta(minutes=number)).isoformat()},
    }


@cache
def _model(number: int, prefix: str) -> dict[str, Any]:
    return made_item(number, prefix)


def _place(number: int) -> tuple[float, float]:
    """Spread numbers over the earth without gaps or heaps (R2 sequence); every hundredth meets the antimeridian."""
    lon, lat = (number * 0.7548776662466927) % 1 * 360 - 180, (number * 0.5698402909980532) % 1 * 140 - 70
    return (179.95, lat) if number % 100 == 50 else (lon, lat)


def _scene(owner: str, item: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": item["id"],
        "owner": owner,
        "sha256": item["id"],
        "state": SceneState.READY,
        "upload": {"folder": f"uploads/{item['id']}/x", "files": {}, "options": {}},
        "item": item,
        "acquired": datetime.fromisoformat(item["properties"]["datetime"].replace("Z", "+00:00")),
        "cleaned": True,
    }
