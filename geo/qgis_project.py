"""QGIS projects (.qgs, .qgz) of a job's layers, with their styles and the time each shows; no QGIS is needed for it.

Written for QGIS 3.22 and read by later ones.
"""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from defusedxml import ElementTree

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class ProjectCrs:
    """A CRS as QGIS reads it.

    Attributes:
        wkt: WKT 2.
        code: of its authority, such as EPSG:32610, or "".
    """

    wkt: str
    code: str = ""


@dataclass(frozen=True)
class Period:
    """From the first to the last second that a layer, or a project, shows; aware, UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class ProjectLayer:
    """A layer of a project.

    Attributes:
        id: unique within the project; letters, digits and _.
        name: shown to people.
        source: path or /vsicurl/ address, as GDAL opens it.
        kind: raster or vector.
        style: a QGIS style (.qml) for it.
        crs: of its data.
        group: that it stands in, "" for none.
        shown: whether it is switched on.
        period: that it shows; None: always.
    """

    id: str
    name: str
    source: str
    kind: Literal["raster", "vector"]
    style: bytes
    crs: ProjectCrs
    group: str = ""
    shown: bool = True
    period: Period | None = None

    @property
    def provider(self) -> str:
        """Name of what reads it in QGIS."""
        return "gdal" if self.kind == "raster" else "ogr"


def qgis_project(
    title: str,
    crs: ProjectCrs,
    bounds: tuple[float, float, float, float],
    layers: Sequence[ProjectLayer],
    period: Period | None = None,
) -> bytes:
    """Return a project as a .qgs document.

    Args:
        title: of the project.
        crs: in which its map is drawn.
        bounds: west, south, east, north of the first view, in that CRS.
        layers: the uppermost first; those of one group one after the other.
        period: that the time controller goes through.
    """
    root = ET.Element("qgis", projectname=title, version="3.22.0")
    ET.SubElement(root, "homePath", path="")
    ET.SubElement(root, "title").text = title
    _crs(ET.SubElement(root, "projectCrs"), crs)
    _tree(root, layers)
    canvas = ET.SubElement(root, "mapcanvas", name="theMapCanvas", annotationsVisible="1")
    _extent(canvas, bounds)
    _crs(ET.SubElement(canvas, "destinationsrs"), crs)
    found = ET.SubElement(root, "projectlayers")
    for layer in layers:
        _layer(found, layer)
    order = ET.SubElement(root, "layerorder")
    for layer in layers:
        ET.SubElement(order, "layer", id=layer.id)
    properties = ET.SubElement(root, "properties")
    ET.SubElement(ET.SubElement(properties, "Paths"), "Absolute", type="bool").text = "false"
    ET.SubElement(ET.SubElement(properties, "SpatialRefSys"), "ProjectionsEnabled", type="int").text = "1"
    view = ET.SubElement(root, "ProjectViewSettings", rotation="0", UseProjectScales="0")
    corners = dict(zip(("xmin", "ymin", "xmax", "ymax"), map(repr, bounds), strict=True))
    _crs(ET.SubElement(view, "DefaultViewExtent", corners), crs)
    if period is not None:
        steps = {"frameRate": "1", "timeStep": "1", "timeStepUnit": "d", "cumulativeTemporalRange": "0"}
        _period(ET.SubElement(root, "ProjectTimeSettings", steps), "TemporalRange", period)
    ET.indent(root, " ")
    document = ET.tostring(root, encoding="unicode")
    return f"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n{document}\n".encode()


def as_qgz(document: bytes) -> bytes:
    """Return a .qgs document as a .qgz file; the same document gives the same bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("project.qgs", _ZIP_TIME), document, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def _tree(root: ET.Element, layers: Iterable[ProjectLayer]) -> None:
    top = ET.SubElement(root, "layer-tree-group")
    groups: dict[str, ET.Element] = {"": top}
    for layer in layers:
        if layer.group not in groups:
            groups[layer.group] = ET.SubElement(
                top, "layer-tree-group", name=layer.group, checked="Qt::Checked", expanded="1"
            )
        ET.SubElement(
            groups[layer.group], "layer-tree-layer", id=layer.id, name=layer.name, source=layer.source,
            providerKey=layer.provider, expanded="0", checked="Qt::Checked" if layer.shown else "Qt::Unchecked",
        )  # fmt: skip


def _layer(parent: ET.Element, layer: ProjectLayer) -> None:
    found = ET.SubElement(parent, "maplayer", type=layer.kind, styleCategories="AllStyleCategories")
    if layer.kind == "vector":
        found.set("geometry", "Polygon")
    ET.SubElement(found, "id").text = layer.id
    ET.SubElement(found, "datasource").text = layer.source
    ET.SubElement(found, "layername").text = layer.name
    _crs(ET.SubElement(found, "srs"), layer.crs)
    ET.SubElement(found, "provider", encoding="UTF-8").text = layer.provider
    if layer.period is not None:
        temporal = ET.SubElement(found, "temporal", enabled="1", mode="0", fetchMode="0")
        _period(temporal, "fixedRange", layer.period)
    found.extend(ElementTree.fromstring(layer.style))
    ET.SubElement(found, "blendMode").text = "0"


def _period(parent: ET.Element, name: str, period: Period) -> None:
    found = ET.SubElement(parent, name)
    for end, moment in (("start", period.start), ("end", period.end)):
        ET.SubElement(found, end).text = f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _extent(parent: ET.Element, bounds: tuple[float, float, float, float]) -> None:
    found = ET.SubElement(parent, "extent")
    for name, value in zip(("xmin", "ymin", "xmax", "ymax"), bounds, strict=True):
        ET.SubElement(found, name).text = repr(value)


def _crs(parent: ET.Element, crs: ProjectCrs) -> None:
    found = ET.SubElement(parent, "spatialrefsys", nativeFormat="Wkt")
    ET.SubElement(found, "wkt").text = crs.wkt
    ET.SubElement(found, "authid").text = crs.code
