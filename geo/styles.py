"""QGIS layer styles (.qml), one beside each layer; QGIS applies them by itself when the names match.

Written for QGIS 3.22 and read by later ones. A style holds the renderer only, so that it changes nothing else.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from geo.legend import LegendClass

_EPOCH = date(1970, 1, 1)
_DATES = ((255, 255, 178), (254, 204, 92), (253, 141, 60), (240, 59, 32), (189, 0, 38), (89, 0, 48))
_CONFIDENCE = ((118, 42, 131), (175, 141, 195), (231, 212, 232), (217, 240, 211), (127, 191, 123), (27, 120, 55))

Color = tuple[int, int, int]

CONFIDENCE_STOPS = tuple((20.0 * i, color) for i, color in enumerate(_CONFIDENCE))
"""Percent, and its colour; mixed between them."""


def style_classes(classes: Sequence[LegendClass], dst: Path) -> None:
    """Write the style of a mask: a colour and a name per class, nothing where there is no data."""
    root, renderer = _raster("paletted")
    palette = ET.SubElement(renderer, "colorPalette")
    for c in classes:
        ET.SubElement(palette, "paletteEntry", value=str(c.id), color=c.color, alpha="255", label=c.name)
    _write(root, dst)


def style_dates(dates: Sequence[date], dst: Path) -> None:
    """Write the style of change_date.tif: a ramp from the first date, pale, to the last, dark.

    A change lies between two looks, so each colour means "after the date before, up to this date".

    Args:
        dates: calendar days, in order; days that occur twice count once.
        dst: file to write.
    """
    steps = date_steps(dates)
    root, renderer = _raster("singlebandpseudocolor", minimum=steps[0][0], maximum=steps[-1][0])
    labels = [(_EPOCH + timedelta(days=value)).isoformat() for value, _ in steps]
    items = [(value, color, label) for (value, color), label in zip(steps, labels, strict=True)]
    _color_ramp(renderer, "DISCRETE", items)
    _write(root, dst)


def date_steps(dates: Sequence[date]) -> list[tuple[float, Color]]:
    """Return the last day since 1970-01-01 that has each colour, in order."""
    days = sorted(set(dates))
    colors = [_ramp(_DATES, i / max(len(days) - 1, 1)) for i in range(len(days))]
    return [(float((day - _EPOCH).days), color) for day, color in zip(days, colors, strict=True)]


def style_confidence(dst: Path) -> None:
    """Write the style of confidence.tif: a ramp from 0, purple, to 100, green."""
    stops = [(value, color, f"{value:g} %") for value, color in CONFIDENCE_STOPS]
    root, renderer = _raster("singlebandpseudocolor", minimum=0.0, maximum=100.0)
    _color_ramp(renderer, "INTERPOLATED", stops)
    _write(root, dst)


def style_polygons(classes: Sequence[LegendClass], background: int, dst: Path) -> None:
    """Write the style of polygons.*: a fill per class, outlines between regions.

    Args:
        classes: the legend.
        background: id of the class that is drawn as an outline only: the state before any change.
        dst: file to write.
    """
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology")
    renderer = ET.SubElement(
        root, "renderer-v2", type="categorizedSymbol", attr="class", forceraster="0", enableorderby="0"
    )
    categories, symbols = ET.SubElement(renderer, "categories"), ET.SubElement(renderer, "symbols")
    for c in classes:
        ET.SubElement(categories, "category", render="true", symbol=str(c.id), value=c.name, label=c.name)
        symbol = ET.SubElement(symbols, "symbol", name=str(c.id), type="fill", alpha="1", clip_to_extent="1")
        layer = ET.SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1", "locked": "0", "pass": "0"})
        options = ET.SubElement(layer, "Option", type="Map")
        edge = c.rgb if c.id == background else (60, 60, 60)
        for name, value in {
            "color": _rgba(c.rgb),
            "style": "no" if c.id == background else "solid",
            "outline_color": _rgba(edge),
            "outline_style": "solid",
            "outline_width": "0.1",
            "outline_width_unit": "MM",
            "joinstyle": "miter",
        }.items():
            ET.SubElement(options, "Option", name=name, type="QString", value=value)
    _write(root, dst)


def _raster(kind: str, minimum: float | None = None, maximum: float | None = None) -> tuple[ET.Element, ET.Element]:
    """Begin a raster style; returns its root and its renderer."""
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology")
    pipe = ET.SubElement(root, "pipe")
    renderer = ET.SubElement(pipe, "rasterrenderer", type=kind, band="1", opacity="1", alphaBand="-1")
    if minimum is not None and maximum is not None:
        renderer.attrib.update(classificationMin=f"{minimum:g}", classificationMax=f"{maximum:g}")
    ET.SubElement(renderer, "rasterTransparency")
    ET.SubElement(pipe, "rasterresampler", maxOversampling="1")
    return root, renderer


def _color_ramp(renderer: ET.Element, kind: str, items: Sequence[tuple[float, Color, str]]) -> None:
    """Give a renderer colours by value; in a DISCRETE ramp a value is the last one that has its colour."""
    limits = {"minimumValue": f"{items[0][0]:g}", "maximumValue": f"{items[-1][0]:g}"}
    shader = ET.SubElement(ET.SubElement(renderer, "rastershader"), "colorrampshader")
    shader.attrib.update({"colorRampType": kind, "classificationMode": "1", "clip": "0", **limits})
    for value, color, label in items:
        ET.SubElement(shader, "item", value=f"{value:g}", color=_hex(color), alpha="255", label=label)


def _ramp(stops: Sequence[Color], position: float) -> Color:
    """Mix the colour at a position in 0..1 along evenly spaced stops."""
    place = position * (len(stops) - 1)
    low = min(int(place), len(stops) - 2)
    share = place - low
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(stops[low], stops[low + 1], strict=True))
    return red, green, blue


def _hex(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _rgba(color: Color) -> str:
    return "{},{},{},255".format(*color)


def _write(root: ET.Element, dst: Path) -> None:
    ET.indent(root, " ")
    document = ET.tostring(root, encoding="unicode")
    dst.write_text(
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n" + document + "\n", encoding="utf-8", newline="\n"
    )
