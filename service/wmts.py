"""A layer as WMTS 1.0.0, RESTful, and as TileJSON 3.0 describe it.

Source: OGC 07-057r7 (WMTS 1.0.0), sections 7 and 10, annex E (GoogleMapsCompatible); TileJSON 3.0.0.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

from service.layers import Layer
from service.media import PNG

if TYPE_CHECKING:
    from geo.tiles import Extent

_WMTS, _OWS, _XLINK = (
    "http://www.opengis.net/wmts/1.0",
    "http://www.opengis.net/ows/1.1",
    "http://www.w3.org/1999/xlink",
)
_CRS = "urn:ogc:def:crs:EPSG::3857"
_EDGE_M = 20037508.3427892
_SCALE_0 = 559082264.0287178
_STYLE = "default"


def tilejson(layer: Layer, extent: Extent, base: str) -> dict[str, Any]:
    """Return the TileJSON document of a layer.

    Args:
        layer: of the document.
        extent: of its raster.
        base: address of the service, without slash at its end.
    """
    west, south, east, north = extent.bounds
    middle = (west + (east + 360 if east < west else east)) / 2
    return {
        "tilejson": "3.0.0",
        "name": layer.title,
        "scheme": "xyz",
        "tiles": [tile_template(layer, base)],
        "minzoom": 0,
        "maxzoom": extent.max_zoom,
        "bounds": [-180.0, south, 180.0, north] if east < west else [west, south, east, north],
        "center": [middle - 360 if middle > 180 else middle, (south + north) / 2, extent.min_zoom],
    }


def tile_template(layer: Layer, base: str, z: str = "{z}", x: str = "{x}", y: str = "{y}") -> str:
    """Return the address of a layer's tiles, with names in place of zoom, column and row."""
    return f"{base}{layer.path}/{z}/{x}/{y}.png" + (f"?{layer.query}" if layer.query else "")


def capabilities(layer: Layer, extent: Extent, base: str, own: str) -> bytes:
    """Return the WMTS document of capabilities for a layer.

    Args:
        layer: the one layer of the document.
        extent: of its raster.
        base: address of the service, without slash at its end.
        own: address of the document.
    """
    for prefix, space in (("", _WMTS), ("ows", _OWS), ("xlink", _XLINK)):
        ET.register_namespace(prefix, space)
    root = ET.Element(f"{{{_WMTS}}}Capabilities", version="1.0.0")
    identification = _ows(root, "ServiceIdentification")
    _ows(identification, "Title", layer.title)
    _ows(identification, "ServiceType", "OGC WMTS")
    _ows(identification, "ServiceTypeVersion", "1.0.0")
    contents = _wmts(root, "Contents")
    _layer(contents, layer, extent, tile_template(layer, base, "{TileMatrix}", "{TileCol}", "{TileRow}"))
    _matrix_set(contents, extent)
    _wmts(root, "ServiceMetadataURL").set(f"{{{_XLINK}}}href", own)
    ET.indent(root, " ")
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _layer(contents: ET.Element, layer: Layer, extent: Extent, template: str) -> None:
    found = _wmts(contents, "Layer")
    _ows(found, "Title", layer.title)
    west, south, east, north = extent.bounds
    if east < west:
        west, east = -180.0, 180.0
    box = _ows(found, "WGS84BoundingBox")
    _ows(box, "LowerCorner", f"{west:.9f} {south:.9f}")
    _ows(box, "UpperCorner", f"{east:.9f} {north:.9f}")
    _ows(found, "Identifier", layer.id)
    style = _wmts(found, "Style")
    style.set("isDefault", "true")
    _ows(style, "Identifier", _STYLE)
    _wmts(found, "Format", PNG)
    _wmts(_wmts(found, "TileMatrixSetLink"), "TileMatrixSet", "WebMercatorQuad")
    resource = _wmts(found, "ResourceURL")
    resource.attrib.update(format=PNG, resourceType="tile", template=template)


def _matrix_set(contents: ET.Element, extent: Extent) -> None:
    found = _wmts(contents, "TileMatrixSet")
    _ows(found, "Identifier", "WebMercatorQuad")
    _ows(found, "SupportedCRS", _CRS)
    _wmts(found, "WellKnownScaleSet", "urn:ogc:def:wkss:OGC:1.0:GoogleMapsCompatible")
    for zoom in range(extent.max_zoom + 1):
        matrix = _wmts(found, "TileMatrix")
        _ows(matrix, "Identifier", str(zoom))
        _wmts(matrix, "ScaleDenominator", repr(_SCALE_0 / 2**zoom))
        _wmts(matrix, "TopLeftCorner", f"{-_EDGE_M!r} {_EDGE_M!r}")
        for name, value in (
            ("TileWidth", 256),
            ("TileHeight", 256),
            ("MatrixWidth", 2**zoom),
            ("MatrixHeight", 2**zoom),
        ):
            _wmts(matrix, name, str(value))


def _ows(parent: ET.Element, name: str, text: str | None = None) -> ET.Element:
    found = ET.SubElement(parent, f"{{{_OWS}}}{name}")
    found.text = text
    return found


def _wmts(parent: ET.Element, name: str, text: str | None = None) -> ET.Element:
    found = ET.SubElement(parent, f"{{{_WMTS}}}{name}")
    found.text = text
    return found
