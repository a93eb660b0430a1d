"""A scene and a job as the workers leave them: real rasters on a real grid, entered in the records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from geo.cog import write_cog
from geo.item import scene_item, with_files
from service.context import Context
from tests.geo.block_files import burning, folders
from tests.geo.scenes import landscape, write_scene
from tests.workers.test_assembly import CARD, GRID, SHAPE, ignore, plan_blocks
from workers.assembly import assemble
from workers.database import writing
from workers.items import item_of_mask, item_of_scene
from workers.mask_items import mask_items
from workers.plan import Plan
from workers.product import Product
from workers.records import JobRecord, JobState, ProductRecord, SceneRecord, SceneState, now

SCENE_GRID = GeoBox((601, 703), Affine(3, 0, 600_000, 0, -3, 8_360_000), "EPSG:32720")


def add_made_scene(
    parts: Context, folder: Path, scene_id: str = "scene-1", owner: str = "", grid: GeoBox = SCENE_GRID
) -> Path:
    """Add a scene whose first columns hold no data; returns the path of its reflectance."""
    rows, cols = grid.shape
    values = landscape(rows, cols, 5)
    values[:, :, :90] = 0
    scene = write_scene(folder, scene_id, grid, values=values)
    document = scene_item(scene)
    for name, asset in document["assets"].items():
        write_cog(asset["href"], folder / f"{name}.tif", overviews="average" if name == "reflectance" else "nearest")
        asset["href"] = f"{name}.tif"
    item: dict[str, Any] = with_files(document, folder)
    for name, asset in item["assets"].items():
        asset["href"] = f"scenes/{scene_id}/{name}.tif"
        parts.store.put(folder / f"{name}.tif", asset["href"])
    with writing(parts.sessions) as session:
        known = {"sha256": scene_id * 4, "upload": {}, "parts": [], "acquired": scene.acquired, "item": item}
        session.add(SceneRecord(id=scene_id, owner=owner, state=SceneState.READY, **known))
        session.flush()
        session.add(item_of_scene(owner, item))
    return folder / "reflectance.tif"


def assembled(folder: Path, shape: tuple[int, int] = SHAPE, grid: GeoBox = GRID) -> tuple[Plan, list[Product]]:
    """Assemble a small job's products."""
    plan = plan_blocks(burning(shape), folder / "blocks", 128, grid, min_area_ha=0.1, simplify_px=1.0)
    return plan, assemble(plan, CARD, folders(folder / "blocks"), folder / "out", ignore)


def add_made_job(
    parts: Context, plan: Plan, products: list[Product], job_id: str = "job-1", owner: str = "", **inputs: Any
) -> str:
    """Enter a job that has ended well, with its products and its Items."""
    for product in products:
        parts.store.put(product.path, f"masks/{job_id}/{product.name}")
    with writing(parts.sessions) as session:
        inputs = {"model": plan.model_id, "aoi": {}, "start": "", "end": "", **inputs}
        state = {"state": JobState.SUCCESSFUL, "inputs": inputs, "plan": plan.to_json(), "finished": now()}
        session.add(JobRecord(id=job_id, owner=owner, **state))
        session.flush()
        for p in products:
            told = {"media_type": p.media_type, "title": p.title, "size": p.size, "sha256": p.sha256}
            session.add(ProductRecord(job_id=job_id, name=p.name, **told))
        session.add_all(item_of_mask(owner, job_id, item) for item in mask_items(job_id, plan, CARD, products))
    return job_id


def pixels(png: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return a PNG's bands, (B, H, W)."""
    import warnings

    from rasterio.errors import NotGeoreferencedWarning
    from rasterio.io import MemoryFile

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with MemoryFile(png) as file, file.open(driver="PNG") as dataset:
            values: np.ndarray[Any, np.dtype[np.uint8]] = dataset.read()
    return values
