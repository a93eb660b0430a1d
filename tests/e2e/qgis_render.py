"""Render one layer with its style to a PNG; run by the system's Python, which has QGIS.

Usage: qgis_render.py raster|vector SOURCE STYLE.qml OUT.png
Prints what QGIS read, as JSON: CRS, size or feature count, legend.
"""

import json
import os
import sys
from typing import Any

from qgis.core import (
    QgsApplication,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor


def main(kind: str, source: str, style: str, out: str) -> None:
    """Open, style, render and describe a layer."""
    app = QgsApplication([], False)
    app.initQgis()
    layer = QgsRasterLayer(source, "layer") if kind == "raster" else QgsVectorLayer(source, "layer", "ogr")
    if not layer.isValid():
        sys.exit(f"QGIS cannot open {source}: {layer.error().message()}")
    message, applied = layer.loadNamedStyle(style)
    if not applied:
        sys.exit(f"QGIS refuses {style}: {message}")
    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setDestinationCrs(layer.crs())
    settings.setExtent(layer.extent())
    settings.setOutputSize(QSize(600, 600))
    settings.setBackgroundColor(QColor(255, 255, 255))
    settings.setFlag(QgsMapSettings.Antialiasing, False)
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    if job.errors() or not job.renderedImage().save(out):
        sys.exit(f"QGIS could not render {source}: {[error.message for error in job.errors()]}")
    sys.stdout.write(json.dumps(describe(kind, layer)) + "\n")
    sys.stdout.flush()
    os._exit(0)  # QGIS crashes where Python takes down layers after the application


def describe(kind: str, layer: Any) -> dict[str, Any]:
    """Tell what QGIS read from a layer."""
    if kind == "raster":
        legend = [[label, color.name()] for label, color in layer.renderer().legendSymbologyItems()]
        return {
            "crs": layer.crs().authid(),
            "renderer": layer.renderer().type(),
            "size": [layer.height(), layer.width()],
            "legend": legend,
            "nodata": layer.dataProvider().sourceNoDataValue(1),
        }
    legend = [[item.label(), item.symbol().color().name()] for item in layer.renderer().legendSymbolItems()]
    return {
        "crs": layer.crs().authid(),
        "renderer": layer.renderer().type(),
        "features": layer.featureCount(),
        "fields": [field.name() for field in layer.fields()],
        "legend": legend,
    }


main(*sys.argv[1:])
