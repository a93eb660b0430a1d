"""Open a QGIS project as its user does, tell what is in it, and render it; run by the system's Python, which has QGIS.

Usage: qgis_project.py PROJECT.qgz OUT.png [XYZ_TEMPLATE XYZ.png]
"""

import json
import os
import sys
from typing import Any
from urllib.parse import quote

from qgis.core import (
    QgsApplication,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize, Qt
from qgis.PyQt.QtGui import QColor


def main(path: str, out: str, *xyz: str) -> None:
    """Open, describe and render a project; beside it a layer of tiles, drawn alone over the same place."""
    app = QgsApplication([], False)
    app.initQgis()
    project = QgsProject.instance()
    if not project.read(path):
        sys.exit(f"QGIS cannot read {path}: {project.error()}")
    shown = [node.layer() for node in project.layerTreeRoot().findLayers() if node.isVisible()]
    render(project, shown, out)
    if xyz:
        template, tiles_out = xyz
        tiles = QgsRasterLayer(f"type=xyz&url={quote(template, safe=':/{}')}&zmin=0&zmax=19", "tiles", "wms")
        if not tiles.isValid():
            sys.exit(f"QGIS cannot open the tiles {template}")
        render(project, [tiles], tiles_out)
    sys.stdout.write(json.dumps(describe(project)) + "\n")
    sys.stdout.flush()
    os._exit(0)  # QGIS crashes where Python takes down layers after the application


def render(project: Any, layers: list[Any], out: str) -> None:
    """Draw layers over the project's first view."""
    settings = QgsMapSettings()
    settings.setLayers(layers)
    settings.setDestinationCrs(project.crs())
    settings.setTransformContext(project.transformContext())
    settings.setExtent(project.viewSettings().defaultViewExtent())
    settings.setOutputSize(QSize(600, 600))
    settings.setBackgroundColor(QColor(255, 255, 255))
    settings.setFlag(QgsMapSettings.Antialiasing, False)
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    if job.errors() or not job.renderedImage().save(out):
        sys.exit(f"QGIS could not render: {[error.message for error in job.errors()]}")


def describe(project: Any) -> dict[str, Any]:
    """Tell what QGIS read."""
    view = project.viewSettings().defaultViewExtent()
    whole = project.timeSettings().temporalRange()
    return {
        "title": project.title(),
        "crs": project.crs().authid(),
        "view": [view.xMinimum(), view.yMinimum(), view.xMaximum(), view.yMaximum()],
        "period": span(whole),
        "layers": [one(node) for node in project.layerTreeRoot().findLayers()],
    }


def one(node: Any) -> dict[str, Any]:
    """Describe a layer of the tree."""
    layer = node.layer()
    vector = isinstance(layer, QgsVectorLayer)
    items = layer.renderer().legendSymbolItems() if vector else layer.renderer().legendSymbologyItems()
    temporal = layer.temporalProperties()
    return {
        "name": layer.name(),
        "group": node.parent().name(),
        "valid": layer.isValid(),
        "shown": node.isVisible(),
        "crs": layer.crs().authid(),
        "renderer": layer.renderer().type(),
        "legend": [item.label() for item in items] if vector else [label for label, _ in items],
        "period": span(temporal.fixedTemporalRange()) if temporal.isActive() else None,
    }


def span(found: Any) -> list[str]:
    """Return begin and end of a time, as text."""
    return [found.begin().toString(Qt.ISODate), found.end().toString(Qt.ISODate)]


main(*sys.argv[1:])
