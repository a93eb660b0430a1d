"""Records and files as workers leave them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine

from service.context import Context
from workers.database import writing
from workers.items import item_of_scene
from workers.product import Product, product_of
from workers.records import JobRecord, JobState, ProductRecord, SceneRecord, SceneState

INPUTS = {"aoi": {}, "start": "", "end": "", "model": "burned-area@8"}
ITEM: dict[str, Any] = {
    "type": "Feature",
    "stac_version": "1.1.0",
    "id": "scene-1",
    "geometry": {"type": "Polygon", "coordinates": [[[-62, -15], [-61, -15], [-61, -14], [-62, -14], [-62, -15]]]},
    "bbox": [-62.0, -15.0, -61.0, -14.0],
    "properties": {"datetime": "2020-08-01T10:00:00Z"},
    "links": [],
}


def write_raster(path: Path) -> None:
    """Write a small tiled GeoTIFF of noise."""
    values = np.random.default_rng(1).integers(0, 255, (1, 600, 500), np.uint8)
    with rasterio.open(
        path, "w", driver="GTiff", width=500, height=600, count=1, dtype="uint8", tiled=True, blockxsize=128,
        blockysize=128, crs="EPSG:32720", transform=Affine(3, 0, 600_000, 0, -3, 8_360_000),
    ) as dataset:  # fmt: skip
        dataset.write(values)


def add_job(parts: Context, state: JobState = JobState.ACCEPTED, job_id: str = "job-1", **values: Any) -> str:
    with writing(parts.sessions) as session:
        session.add(JobRecord(id=job_id, state=state, inputs=INPUTS, **values))
    return job_id


def change_job(parts: Context, job_id: str, **values: Any) -> None:
    with writing(parts.sessions) as session:
        job = session.get_one(JobRecord, job_id)
        for name, value in values.items():
            setattr(job, name, value)


def add_product(parts: Context, job_id: str, path: Path) -> Product:
    product = product_of(path, "a product")
    parts.store.put(path, f"masks/{job_id}/{product.name}")
    with writing(parts.sessions) as session:
        session.add(
            ProductRecord(
                job_id=job_id,
                name=product.name,
                media_type=product.media_type,
                title=product.title,
                size=product.size,
                sha256=product.sha256,
            )
        )
    return product


def add_scene(
    parts: Context, scene_id: str, state: SceneState, held: Sequence[str] = (), item: dict[str, Any] | None = None
) -> str:
    with writing(parts.sessions) as session:
        session.add(SceneRecord(id=scene_id, sha256=scene_id * 4, state=state, upload={}, parts=list(held), item=item))
        if item is not None:
            session.flush()
            session.add(item_of_scene("", item))
    return scene_id


def add_ready_scene(parts: Context, folder: Path, scene_id: str = "scene-1") -> bytes:
    """Add a scene with one raster; returns the raster's bytes."""
    path = folder / "reflectance.tif"
    write_raster(path)
    key = f"scenes/{scene_id}/reflectance.tif"
    parts.store.put(path, key)
    asset = {"href": key, "type": "image/tiff; application=geotiff; profile=cloud-optimized"}
    add_scene(parts, scene_id, SceneState.READY, item={**ITEM, "id": scene_id, "assets": {"reflectance": asset}})
    return path.read_bytes()
