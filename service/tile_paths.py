"""Where tiles are, and which products have some."""

from __future__ import annotations

import re

_DRAWN = re.compile(r"(mask_\w+|instances_\w+|change_date|last_look|confidence)\.tif")


def is_drawn(name: str) -> bool:
    """Tell whether a product is a raster that is drawn as tiles."""
    return _DRAWN.fullmatch(name) is not None


def layer_id(job_id: str, name: str) -> str:
    """Return what a product is called among all layers."""
    return f"{job_id}_{name.removesuffix('.tif')}"


def scene_tiles(scene_id: str) -> str:
    """Return the path of a scene's tiles."""
    return f"/tiles/scenes/{scene_id}"


def product_tiles(job_id: str, name: str) -> str:
    """Return the path of a product's tiles."""
    return f"/tiles/masks/{job_id}/{name}"
