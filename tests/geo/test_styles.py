"""Styles as QGIS reads them: well-formed, every class and date with its colour and label."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from xml.etree.ElementTree import Element

from defusedxml import ElementTree

from geo.legend import LegendClass
from geo.styles import style_classes, style_confidence, style_dates, style_polygons

CLASSES = (
    LegendClass(0, "tree cover", "#1a7f37"),
    LegendClass(1, 'no "tree" & <shrub>', "#e0c080"),
    LegendClass(7, "Wasser, süß", "#0044cc"),
)


def read(path: Path) -> Element:
    """Parse a style; QGIS accepts the document type that stands first in it."""
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>")
    root: Element = ElementTree.fromstring(text)
    assert root.tag == "qgis"
    return root


def test_a_mask_has_an_entry_per_class(tmp_path: Path) -> None:
    style_classes(CLASSES, tmp_path / "mask.qml")
    entries = read(tmp_path / "mask.qml").findall("pipe/rasterrenderer[@type='paletted']/colorPalette/paletteEntry")
    found = [(entry.get("value"), entry.get("label"), entry.get("color")) for entry in entries]
    assert found == [(str(c.id), c.name, c.color) for c in CLASSES]


def test_dates_ramp_from_the_first_to_the_last(tmp_path: Path) -> None:
    first = date(2020, 7, 1)
    days = [first + timedelta(days=8 * i) for i in range(9)]
    style_dates([days[0], *days], tmp_path / "change_date.qml")
    items = read(tmp_path / "change_date.qml").findall(".//colorrampshader[@colorRampType='DISCRETE']/item")
    assert [item.get("label") for item in items] == [day.isoformat() for day in days]
    values = [float(item.get("value", "")) for item in items]
    assert values == [(day - date(1970, 1, 1)).days for day in days]
    colors = [item.get("color", "") for item in items]
    assert len(set(colors)) == 9
    assert (colors[0], colors[-1]) == ("#ffffb2", "#590030")
    assert all(len(color) == 7 for color in colors)


def test_a_single_date_has_a_style_too(tmp_path: Path) -> None:
    style_dates([date(2020, 7, 1)], tmp_path / "change_date.qml")
    items = read(tmp_path / "change_date.qml").findall(".//item")
    assert [item.get("label") for item in items] == ["2020-07-01"]


def test_confidence_runs_from_0_to_100(tmp_path: Path) -> None:
    style_confidence(tmp_path / "confidence.qml")
    items = read(tmp_path / "confidence.qml").findall(".//colorrampshader[@colorRampType='INTERPOLATED']/item")
    assert [item.get("value") for item in items] == ["0", "20", "40", "60", "80", "100"]


def test_polygons_are_filled_but_for_the_background(tmp_path: Path) -> None:
    style_polygons(CLASSES, 0, tmp_path / "polygons.qml")
    root = read(tmp_path / "polygons.qml")
    categories = [(c.get("value"), c.get("symbol")) for c in root.findall(".//category")]
    assert categories == [(c.name, str(c.id)) for c in CLASSES]
    for c in CLASSES:
        options = root.findall(f".//symbol[@name='{c.id}']/layer/Option/Option")
        values = {option.get("name"): option.get("value") for option in options}
        assert values["color"] == "{},{},{},255".format(*c.rgb)
        assert values["style"] == ("no" if c.id == 0 else "solid")
