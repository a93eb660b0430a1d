"""PlanetScope deliveries in miniature: names, JSON and XML as Planet writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.geo.rasters import SHAPE, numbers, write_tif

DOVE = "20200727_014458_104b"
SUPERDOVE = "20200906_024424_51_2259"
UDM2_BANDS = ("clear", "snow", "shadow", "haze_light", "haze_heavy", "cloud", "confidence", "udm1")


def item_json(item_id: str, **properties: object) -> str:
    """A *_metadata.json of PSScene."""
    said: dict[str, Any] = {
        "acquired": "2020-07-27T01:44:58.123456Z",
        "cloud_cover": 0.25,
        "instrument": "PSB.SD",
        "item_type": "PSScene",
        "satellite_azimuth": 98.5,
        "satellite_id": item_id.rsplit("_", 1)[-1],
        "sun_azimuth": 61.2,
        "sun_elevation": 38.4,
        "view_angle": -3.1,
        **properties,
    }
    return json.dumps({"type": "Feature", "id": item_id, "properties": said, "geometry": None})


def product_xml(item_id: str, coefficients: tuple[float, ...], *, acquired: str = "2020-07-27T01:44:58+00:00") -> str:
    """A *_metadata.xml with the elements that matter, in Planet's namespaces."""
    bands = "".join(
        f"<ps:bandSpecificMetadata><ps:bandNumber>{n}</ps:bandNumber><ps:radiometricScaleFactor>0.01"
        f"</ps:radiometricScaleFactor><ps:reflectanceCoefficient>{c!r}</ps:reflectanceCoefficient></ps:bandSpecificMetadata>"
        for n, c in enumerate(coefficients, start=1)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<ps:EarthObservation xmlns:ps="http://schemas.planet.com/ps/v1/planet_product_metadata_geocorrected_level" '
        'xmlns:eop="http://earth.esa.int/eop" xmlns:opt="http://earth.esa.int/opt" xmlns:gml="http://www.opengis.net/gml">'
        f"<eop:identifier>{item_id}_3B_AnalyticMS</eop:identifier>"
        "<eop:Platform><eop:shortName>PlanetScope</eop:shortName><eop:serialIdentifier>104b</eop:serialIdentifier>"
        "</eop:Platform><eop:Instrument><eop:shortName>PS2</eop:shortName></eop:Instrument>"
        '<eop:incidenceAngle uom="deg">3.5e+00</eop:incidenceAngle>'
        "<opt:illuminationAzimuthAngle>129.0</opt:illuminationAzimuthAngle>"
        "<opt:illuminationElevationAngle>49.1</opt:illuminationElevationAngle>"
        "<ps:azimuthAngle>-12.8</ps:azimuthAngle><ps:spaceCraftViewAngle>3.17</ps:spaceCraftViewAngle>"
        f"<ps:acquisitionDateTime>{acquired}</ps:acquisitionDateTime>"
        "<opt:cloudCoverPercentage>12.5</opt:cloudCoverPercentage>"
        f"{bands}</ps:EarthObservation>"
    )


def udm2_values(clear: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """UDM2 bands, (8, H, W): what is not clear is cloud."""
    values = np.zeros((8, *clear.shape), np.uint8)
    values[0], values[5], values[6] = clear, ~clear, 90
    return values


def write_delivery(
    folder: Path,
    item_id: str = DOVE,
    *,
    bands: int = 4,
    product: str = "AnalyticMS_SR",
    clear: NDArray[np.bool_] | None = None,
    seed: int = 0,
    xml: bool = False,
    **image: Any,
) -> Path:
    """Write image, UDM2, JSON and (where asked) XML of one scene, and return the image's path."""
    folder.mkdir(parents=True, exist_ok=True)
    suffix = "_8b" if bands == 8 else ""
    clear = np.random.default_rng(seed).random(SHAPE) < 0.6 if clear is None else clear
    path = folder / f"{item_id}_3B_{product}{suffix}.tif"
    write_tif(path, numbers(bands=bands, seed=seed), roles=None, nodata=0, **image)
    write_tif(folder / f"{item_id}_3B_udm2.tif", udm2_values(clear), roles=UDM2_BANDS)
    (folder / f"{item_id}_metadata.json").write_text(item_json(item_id))
    if xml:
        coefficients = tuple(2e-5 + n * 1e-6 for n in range(bands))
        (folder / f"{item_id}_3B_AnalyticMS{suffix}_metadata.xml").write_text(product_xml(item_id, coefficients))
    return path
