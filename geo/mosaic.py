"""Mosaics: the files of a grid's blocks seen as one raster, through a GDAL VRT; nothing is copied or held in memory."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from odc.geo.geobox import GeoBox

from geo.blocks import Block
from geo.legend import LegendClass

_GDAL_NAMES = {"uint8": "Byte", "uint16": "UInt16", "uint32": "UInt32", "int32": "Int32"}


@dataclass(frozen=True)
class Layer:
    """One band of a mosaic.

    Attributes:
        source_band: band of the blocks' files, from 1.
        source_dtype, dtype: numpy names of the files' type and of the mosaic's; values are clamped to the latter.
        nodata: value where no block lies.
        source_nodata: value in the files that becomes `nodata`; None: they use `nodata` themselves.
        description: name of the band.
        classes: the legend, where the band holds classes; becomes colour table and category names.
        tags: metadata of the whole raster.
    """

    source_band: int
    source_dtype: str
    dtype: str
    nodata: int
    source_nodata: int | None = None
    description: str = ""
    classes: tuple[LegendClass, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


def mosaic_vrt(geobox: GeoBox, blocks: Sequence[Block], file_of: Callable[[int], Path], layer: Layer) -> str:
    """Describe the blocks' files as one raster.

    Args:
        geobox: grid of the mosaic.
        blocks: which parts of the grid there are; the rest is nodata.
        file_of: path of a block's file by the block's index; its grid is the block's core.
        layer: which band, and how it is presented.

    Returns:
        The text of a VRT, which GDAL opens like a path.
    """
    rows, cols = geobox.shape
    root = ET.Element("VRTDataset", rasterXSize=str(cols), rasterYSize=str(rows))
    if geobox.crs is not None:
        _child(root, "SRS", geobox.crs.to_wkt())
    a, b, c, d, e, f = tuple(geobox.affine)[:6]
    _child(root, "GeoTransform", ", ".join(repr(float(v)) for v in (c, a, b, f, d, e)))
    if layer.tags:
        metadata = _child(root, "Metadata")
        for key, value in sorted(layer.tags.items()):
            _child(metadata, "MDI", value, key=key)
    band = _child(root, "VRTRasterBand", dataType=_GDAL_NAMES[layer.dtype], band="1")
    _describe(band, layer)
    for block in blocks:
        _add_source(band, block, file_of(block.index), layer)
    return ET.tostring(root, encoding="unicode")


def _describe(band: ET.Element, layer: Layer) -> None:
    """Write name, nodata, colours and category names; GDAL asks for this order."""
    if layer.description:
        _child(band, "Description", layer.description)
    names = {c.id: c.name for c in layer.classes}
    if layer.classes:
        metadata = _child(band, "Metadata")
        for land_class in layer.classes:
            _child(metadata, "MDI", land_class.name, key=f"class_{land_class.id}")
    _child(band, "NoDataValue", str(layer.nodata))
    if not layer.classes:
        return
    _child(band, "ColorInterp", "Palette")
    table, categories = _child(band, "ColorTable"), _child(band, "CategoryNames")
    colors = {c.id: c.rgb for c in layer.classes}
    for value in range(max(names) + 1):
        red, green, blue = colors.get(value, (0, 0, 0))
        _child(table, "Entry", c1=str(red), c2=str(green), c3=str(blue), c4="255" if value in colors else "0")
        _child(categories, "Category", names.get(value, ""))


def _add_source(band: ET.Element, block: Block, path: Path, layer: Layer) -> None:
    source = _child(band, "SimpleSource" if layer.source_nodata is None else "ComplexSource")
    _child(source, "SourceFilename", str(path), relativeToVRT="0", shared="0")
    _child(source, "SourceBand", str(layer.source_band))
    # With the properties at hand, GDAL opens a block's file only when its pixels are asked for.
    width, height = str(block.width), str(block.height)
    _child(
        source,
        "SourceProperties",
        RasterXSize=width,
        RasterYSize=height,
        DataType=_GDAL_NAMES[layer.source_dtype],
        BlockXSize="256",
        BlockYSize="256",
    )
    _child(source, "SrcRect", xOff="0", yOff="0", xSize=width, ySize=height)
    _child(source, "DstRect", xOff=str(block.col), yOff=str(block.row), xSize=width, ySize=height)
    if layer.source_nodata is not None:
        _child(source, "NODATA", str(layer.source_nodata))


def _child(parent: ET.Element, tag: str, text: str = "", **attributes: str) -> ET.Element:
    child = ET.SubElement(parent, tag, attributes)
    if text:
        child.text = text
    return child
