"""Layers: a scene, or a raster of a job, as a map shows it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from service.catalogue import asset_of
from service.errors import InputsRefused, LayerUnknown, SceneNotReady
from service.tile_paths import is_drawn, layer_id, product_tiles, scene_tiles
from workers.records import JobRecord, ProductRecord, SceneRecord, SceneState

if TYPE_CHECKING:
    from geo.painting import Paint
    from geo.tiles import Tile

TRUE_COLOUR = ("red", "green", "blue")


@dataclass(frozen=True)
class Layer:
    """What tiles are drawn of.

    Attributes:
        id: names it in a document of capabilities.
        title: for people.
        path: of its tiles below the service's address, without query.
        query: what must go with every request for a tile, encoded; "" where nothing is needed.
        key: of its raster in the store.
        digest: names the raster's bytes.
        draw: makes the PNG of a tile from the path by which GDAL opens the raster.
    """

    id: str
    title: str
    path: str
    query: str
    key: str
    digest: str
    draw: Callable[[str, Tile], bytes]

    def etag(self, *address: object) -> str:
        """Return what names the bytes of a part of the layer: they follow from the raster, the look and the code."""
        code = [version("chronoseg"), version("rio-tiler")]
        parts = [self.digest, self.path, self.query, *code, *map(str, address)]
        return f'"{hashlib.sha256("|".join(parts).encode()).hexdigest()[:32]}"'


def scene_layer(scene: SceneRecord, bands: str = "", rescale: Sequence[str] = ()) -> Layer:
    """Return the layer of a scene's reflectance.

    Args:
        scene: that is ready.
        bands: roles of those that are shown, red, green and blue in order, or of one; "" = true colour.
        rescale: reflectance of black and white, as "0,0.3": one pair for all bands, one for each, or none.

    Raises:
        SceneNotReady: the scene is being read, or was rejected.
        InputsRefused: it has no such bands, or their limits cannot be used.
    """
    if scene.state != SceneState.READY:
        raise SceneNotReady(f"scene {scene.id} is {scene.state}; it has no tiles")
    asset = asset_of(scene, "reflectance.tif")
    held = [band.get("name", "") for band in asset.get("bands", [])]
    roles = tuple(bands.split(",")) if bands else TRUE_COLOUR
    missing = [role for role in roles if role not in held]
    if missing:
        raise InputsRefused(f"scene {scene.id} has the bands {', '.join(held) or 'of no name'}; not {missing[0]!r}")
    limits = _limits(rescale, roles)
    wanted = {**({"bands": bands} if bands else {}), **({"rescale": list(rescale)} if rescale else {})}
    day = scene.acquired.date().isoformat() if scene.acquired else scene.id
    return Layer(
        id=scene.id,
        title=f"Scene of {day}: {', '.join(roles)}",
        path=scene_tiles(scene.id),
        query=urlencode(wanted, doseq=True, safe=","),
        key=asset["href"],
        digest=asset.get("file:checksum") or f"{scene.sha256}-{scene.created.timestamp()}",
        draw=partial(_draw_scene, bands=[held.index(role) + 1 for role in roles], limits=limits),
    )


def product_layer(job: JobRecord, product: ProductRecord) -> Layer:
    """Return the layer of a job's raster.

    Raises:
        LayerUnknown: the product is not drawn.
    """
    if not is_drawn(product.name):
        raise LayerUnknown(f"{product.name!r} is not drawn as tiles; masks, dates, confidence and instances (.tif) are")
    days = [date["day"] for date in (job.plan or {}).get("dates", [])]
    return Layer(
        id=layer_id(job.id, product.name),
        title=product.title or product.name,
        path=product_tiles(job.id, product.name),
        query="",
        key=product.key,
        digest=product.sha256,
        draw=partial(_draw_product, name=product.name, days=days),
    )


def _limits(rescale: Sequence[str], roles: Sequence[str]) -> list[tuple[float, float]]:
    from geo.painting import natural_limits

    pairs = []
    for text in rescale:
        low, high = (float(part) for part in text.split(","))
        if not low < high:
            raise InputsRefused(f"rescale: expected LOW,HIGH with LOW < HIGH, as 0,0.3; got {text[:40]!r}")
        pairs.append((low, high))
    if not pairs:
        return [natural_limits(role) for role in roles]
    if len(pairs) not in {1, len(roles)}:
        raise InputsRefused(f"rescale: expected one pair, or one for each of {len(roles)} band(s); got {len(pairs)}")
    return pairs if len(pairs) == len(roles) else pairs * len(roles)


def _draw_scene(path: str, tile: Tile, bands: list[int], limits: list[tuple[float, float]]) -> bytes:
    from geo.tiles import scene_tile

    return scene_tile(path, tile, bands, limits)


def _draw_product(path: str, tile: Tile, name: str, days: list[int]) -> bytes:
    from geo.tiles import product_tile

    return product_tile(path, tile, _paint(name, days))


def _paint(name: str, days: list[int]) -> Paint | None:
    from geo import painting
    from workers.plan import date_of

    if name.startswith("instances_"):
        return painting.paint_numbers
    if name == "confidence.tif":
        return painting.paint_confidence()
    if name in {"change_date.tif", "last_look.tif"} and days:
        return painting.paint_dates([date_of(day) for day in days])
    return None
