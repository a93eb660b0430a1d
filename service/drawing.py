"""Drawing tiles: in threads, few at once, so that the API answers others meanwhile. GDAL comes with the first."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from anyio import CapacityLimiter
from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool

from service.context import Context
from service.files import CACHED
from service.layers import Layer
from service.media import PNG
from service.problems import precondition_failed
from service.ranges import precondition

if TYPE_CHECKING:
    from geo.tiles import Extent, Tile


def drawing_limiter() -> CapacityLimiter:
    """Return what keeps the number of tiles that one process draws at once to that of its cores, at most 8."""
    return CapacityLimiter(min(max(2, os.cpu_count() or 2), 8))


async def drawn(request: Request, here: Context, layer: Layer, tile: Tile) -> Response:
    """Answer a GET or HEAD with a tile.

    Raises:
        NotStored: the raster is gone.
        RasterUnreadable: it cannot be read.
    """
    etag = layer.etag(tile.z, tile.x, tile.y)
    headers = {"ETag": etag, "Cache-Control": CACHED}
    status = precondition(request.headers, etag)
    if status == 304:
        return Response(status_code=304, headers=headers)
    if status == 412:
        return precondition_failed(request)
    async with here.drawing:
        if await request.is_disconnected():  # who moves a map quickly gives up most of its tiles
            return Response(status_code=204)
        png = await run_in_threadpool(_draw, here, layer, tile)
    return Response(png, headers=headers, media_type=PNG)


async def extent_here(here: Context, layer: Layer) -> Extent:
    """Tell where a layer's raster lies."""
    async with here.drawing:
        return await run_in_threadpool(_measure, here, layer)


def _draw(here: Context, layer: Layer, tile: Tile) -> bytes:
    return layer.draw(_path(here, layer), tile)


def _measure(here: Context, layer: Layer) -> Extent:
    from geo.tiles import layer_extent

    return layer_extent(_path(here, layer))


def _path(here: Context, layer: Layer) -> str:
    here.store.stat(layer.key)  # tells what is gone from what cannot be read
    return here.store.gdal_path(layer.key)
