"""Scenes and masks as a map shows them: tiles, and the documents by which QGIS and web maps find them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from geo.bands import ROLES
from service.context import Context, Here
from service.drawing import drawn, extent_here
from service.errors import ProductUnknown
from service.identity import Reader
from service.layers import Layer, product_layer, scene_layer
from service.links import href
from service.media import PNG, WmtsXml
from service.wmts import capabilities, tilejson
from workers.jobs import find_job
from workers.records import ProductRecord
from workers.scenes import find_scene

router = APIRouter(prefix="/tiles", tags=["tiles"])

_ROLE = f"({'|'.join(ROLES)})"
_NUMBER = r"-?[0-9]{1,3}(\.[0-9]{1,6})?"

Bands = Annotated[
    str,
    Query(
        pattern=f"^({_ROLE}(,{_ROLE},{_ROLE})?)?$",
        description="bands shown as red, green and blue, or one in grey; true colour where none are named",
        examples=["nir,red,green"],
    ),
]
Rescale = Annotated[
    list[Annotated[str, Query(pattern=f"^{_NUMBER},{_NUMBER}$")]],
    Query(
        max_length=3,
        description="reflectance of black and of white: one pair for all bands, or one for each",
        examples=[["0,0.3"]],
    ),
]
Zoom = Annotated[int, Path(ge=0, le=24)]
Place = Annotated[int, Path(ge=0, le=2**24 - 1)]
_TILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {PNG: {}}, "description": "256 x 256 pixels; transparent where there is nothing"},
    304: {"description": "The client has this very tile"},
}


def _scene(
    scene_id: str, here: Here, owner: Reader, bands: Bands = "", rescale: Rescale = []  # noqa: B006
) -> Layer:  # fmt: skip
    with here.sessions() as session:
        return scene_layer(find_scene(session, owner, scene_id), bands, rescale)


def _product(job_id: str, name: str, request: Request, here: Here, owner: Reader) -> Layer:
    with here.sessions() as session:
        job = find_job(session, owner, job_id)
        product = session.get(ProductRecord, (job_id, name))
        if product is None:
            raise ProductUnknown(
                f"job {job_id} has no product {name!r}; {href(request, f'/masks/{job_id}')} lists them"
            )
        return product_layer(job, product)


def _tile(z: Zoom, x: Place, y: Place) -> Any:
    from geo.tiles import Tile

    return Tile(z, x, y)


SceneLayer = Annotated[Layer, Depends(_scene)]
ProductLayer = Annotated[Layer, Depends(_product)]
TileThere = Annotated[Any, Depends(_tile)]
"""A `geo.tiles.Tile`; the first one loads what tiles are drawn with, whole, while other threads wait."""


@router.head("/scenes/{scene_id}/{z}/{x}/{y}.png", include_in_schema=False)
@router.get("/scenes/{scene_id}/{z}/{x}/{y}.png", summary="A tile of a scene", response_class=Response, responses=_TILE)
async def scene_tile(layer: SceneLayer, tile: TileThere, request: Request, here: Here) -> Response:
    """Return a PNG of WebMercatorQuad: reflectance in true colour, or of the bands that are named."""
    return await drawn(request, here, layer, tile)


@router.head("/scenes/{scene_id}/tilejson.json", include_in_schema=False)
@router.get("/scenes/{scene_id}/tilejson.json", summary="Where a scene's tiles are, as TileJSON")
async def scene_tilejson(layer: SceneLayer, request: Request, here: Here) -> dict[str, Any]:
    """Return the TileJSON document of a scene, with the bands and the stretch that were asked for."""
    return await _tilejson(layer, request, here)


@router.head("/scenes/{scene_id}/WMTSCapabilities.xml", include_in_schema=False)
@router.get("/scenes/{scene_id}/WMTSCapabilities.xml", summary="A scene as a WMTS", response_class=WmtsXml)
async def scene_wmts(layer: SceneLayer, request: Request, here: Here) -> Response:
    """Return the capabilities of a WMTS with the scene as its layer."""
    return await _wmts(layer, request, here)


@router.head("/masks/{job_id}/{name}/{z}/{x}/{y}.png", include_in_schema=False)
@router.get(
    "/masks/{job_id}/{name}/{z}/{x}/{y}.png", summary="A tile of a mask", response_class=Response, responses=_TILE
)
async def mask_tile(layer: ProductLayer, tile: TileThere, request: Request, here: Here) -> Response:
    """Return a PNG of WebMercatorQuad, in the colours of the product's QGIS style."""
    return await drawn(request, here, layer, tile)


@router.head("/masks/{job_id}/{name}/tilejson.json", include_in_schema=False)
@router.get("/masks/{job_id}/{name}/tilejson.json", summary="Where a mask's tiles are, as TileJSON")
async def mask_tilejson(layer: ProductLayer, request: Request, here: Here) -> dict[str, Any]:
    """Return the TileJSON document of a product."""
    return await _tilejson(layer, request, here)


@router.head("/masks/{job_id}/{name}/WMTSCapabilities.xml", include_in_schema=False)
@router.get("/masks/{job_id}/{name}/WMTSCapabilities.xml", summary="A mask as a WMTS", response_class=WmtsXml)
async def mask_wmts(layer: ProductLayer, request: Request, here: Here) -> Response:
    """Return the capabilities of a WMTS with the product as its layer."""
    return await _wmts(layer, request, here)


async def _tilejson(layer: Layer, request: Request, here: Context) -> dict[str, Any]:
    return tilejson(layer, await extent_here(here, layer), href(request, ""))


async def _wmts(layer: Layer, request: Request, here: Context) -> Response:
    extent = await extent_here(here, layer)
    return WmtsXml(capabilities(layer, extent, href(request, ""), str(request.url)))
