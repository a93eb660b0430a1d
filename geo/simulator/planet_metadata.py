"""The metadata files of a PlanetScope bundle: Planet's item JSON and product XML."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from xml.sax.saxutils import escape

from pyproj import CRS, Transformer
from shapely.geometry import Polygon, mapping

from geo.simulator.surface import Sun

_XML = """<?xml version="1.0" encoding="UTF-8"?>
<ps:EarthObservation
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xmlns:xlink="http://www.w3.org/1999/xlink"
    xmlns:opt="http://earth.esa.int/opt"
    xmlns:gml="http://www.opengis.net/gml"
    xmlns:eop="http://earth.esa.int/eop"
    version="1.2.1"
    planet_standard_product_version="1.0"
    xmlns:ps="http://schemas.planet.com/ps/v1/planet_product_metadata_geocorrected_level">
    <gml:metaDataProperty>
        <ps:EarthObservationMetaData>
            <eop:identifier>{identifier}</eop:identifier>
            <eop:acquisitionType>NOMINAL</eop:acquisitionType>
            <eop:productType>L3B</eop:productType>
            <eop:status>ARCHIVED</eop:status>
            <ps:pixelFormat>16U</ps:pixelFormat>
        </ps:EarthObservationMetaData>
    </gml:metaDataProperty>
    <gml:validTime>
        <gml:TimePeriod>
            <gml:beginPosition>{acquired}</gml:beginPosition>
            <gml:endPosition>{acquired}</gml:endPosition>
        </gml:TimePeriod>
    </gml:validTime>
    <gml:using>
        <eop:EarthObservationEquipment>
            <eop:platform>
                <eop:Platform>
                    <eop:shortName>PlanetScope</eop:shortName>
                    <eop:serialIdentifier>{satellite}</eop:serialIdentifier>
                    <eop:orbitType>LEO-SSO</eop:orbitType>
                </eop:Platform>
            </eop:platform>
            <eop:instrument>
                <eop:Instrument><eop:shortName>{instrument}</eop:shortName></eop:Instrument>
            </eop:instrument>
            <eop:sensor>
                <ps:Sensor>
                    <eop:sensorType>OPTICAL</eop:sensorType>
                    <eop:resolution uom="m">{res_m:.4f}</eop:resolution>
                    <ps:scanType>FRAME</ps:scanType>
                </ps:Sensor>
            </eop:sensor>
            <eop:acquisitionParameters>
                <ps:Acquisition>
                    <eop:orbitDirection>DESCENDING</eop:orbitDirection>
                    <eop:incidenceAngle uom="deg">{incidence:.6e}</eop:incidenceAngle>
                    <opt:illuminationAzimuthAngle uom="deg">{sun_azimuth:.6e}</opt:illuminationAzimuthAngle>
                    <opt:illuminationElevationAngle uom="deg">{sun_elevation:.6e}</opt:illuminationElevationAngle>
                    <ps:azimuthAngle uom="deg">{view_azimuth:.6e}</ps:azimuthAngle>
                    <ps:spaceCraftViewAngle uom="deg">{view_angle:.6e}</ps:spaceCraftViewAngle>
                    <ps:acquisitionDateTime>{acquired}</ps:acquisitionDateTime>
                </ps:Acquisition>
            </eop:acquisitionParameters>
        </eop:EarthObservationEquipment>
    </gml:using>
    <gml:target>
        <ps:Footprint>
            <gml:multiExtentOf>
                <gml:MultiSurface srsName="EPSG:4326">
                    <gml:surfaceMembers>
                        <gml:Polygon srsName="EPSG:4326"><gml:outerBoundaryIs><gml:LinearRing><gml:coordinates>{coordinates}</gml:coordinates></gml:LinearRing></gml:outerBoundaryIs></gml:Polygon>
                    </gml:surfaceMembers>
                </gml:MultiSurface>
            </gml:multiExtentOf>
        </ps:Footprint>
    </gml:target>
    <gml:resultOf>
        <ps:EarthObservationResult>
            <eop:product>
                <ps:ProductInformation>
                    <eop:fileName>{file_name}</eop:fileName>
                    <ps:productFormat>GeoTIFF</ps:productFormat>
                    <ps:spatialReferenceSystem>
                        <ps:epsgCode>{epsg}</ps:epsgCode>
                        <ps:geodeticDatum>WGS_1984</ps:geodeticDatum>
                        <ps:projection>{projection}</ps:projection>
                    </ps:spatialReferenceSystem>
                    <ps:resamplingKernel>CC</ps:resamplingKernel>
                    <ps:numRows>{rows}</ps:numRows>
                    <ps:numColumns>{cols}</ps:numColumns>
                    <ps:numBands>{bands}</ps:numBands>
                    <ps:rowGsd>{res_m}</ps:rowGsd>
                    <ps:columnGsd>{res_m}</ps:columnGsd>
                    <ps:radiometricCorrectionApplied>true</ps:radiometricCorrectionApplied>
                    <ps:geoCorrectionLevel>Precision Geocorrection</ps:geoCorrectionLevel>
                    <ps:elevationCorrectionApplied>FineDEM</ps:elevationCorrectionApplied>
                    <ps:atmosphericCorrectionApplied>{corrected}</ps:atmosphericCorrectionApplied>
                </ps:ProductInformation>
            </eop:product>
            <opt:cloudCoverPercentage uom="percentage">{cloud:.1f}</opt:cloudCoverPercentage>
            <opt:cloudCoverPercentageQuotationMode>AUTOMATIC</opt:cloudCoverPercentageQuotationMode>
            <ps:unusableDataPercentage uom="percentage">{unusable:.1f}</ps:unusableDataPercentage>
{band_metadata}
        </ps:EarthObservationResult>
    </gml:resultOf>
</ps:EarthObservation>
"""  # noqa: E501

_BAND = """            <ps:bandSpecificMetadata>
                <ps:bandNumber>{number}</ps:bandNumber>
                <ps:radiometricScaleFactor>0.01</ps:radiometricScaleFactor>
                <ps:reflectanceCoefficient>{coefficient!r}</ps:reflectanceCoefficient>
            </ps:bandSpecificMetadata>"""


@dataclass(frozen=True)
class ProductFacts:
    """Facts about one simulated scene that its metadata tell.

    Attributes:
        item_id: Planet's id of the scene.
        acquired: aware, UTC.
        satellite: 4-hex identifier.
        sun: position of the sun.
        view_angle_deg: off-nadir angle, signed as Planet does.
        view_azimuth_deg: direction of the satellite.
        coefficients: factor per band from radiance number to reflectance.
        shares: percent of the valid pixels per class of the UDM2: clear, snow, shadow, light haze, heavy haze, cloud.
        outline: valid area in the scene's CRS.
        crs: the scene's CRS.
        shape: (rows, columns).
        res_m: pixel size.
        corrected: surface reflectance, not radiance.
        file_name: name of the image.
    """

    item_id: str
    acquired: datetime
    satellite: str
    sun: Sun
    view_angle_deg: float
    view_azimuth_deg: float
    coefficients: Sequence[float]
    shares: Sequence[float]
    outline: Polygon
    crs: CRS
    shape: tuple[int, int]
    res_m: float
    corrected: bool
    file_name: str

    @property
    def instrument(self) -> str:
        """Planet's name of the instrument."""
        return "PSB.SD" if len(self.coefficients) == 8 else "PS2"


def product_xml(facts: ProductFacts) -> str:
    """Write the product's XML, after real ones of 3B_AnalyticMS."""
    coordinates = " ".join(f"{lon:.12f},{lat:.12f}" for lon, lat in to_wgs84(facts.outline, facts.crs).exterior.coords)
    return _XML.format(
        identifier=escape(facts.file_name.removesuffix(".tif")), acquired=facts.acquired.isoformat(),
        satellite=facts.satellite, instrument=facts.instrument, res_m=facts.res_m,
        incidence=abs(facts.view_angle_deg) * 1.1, sun_azimuth=facts.sun.azimuth_deg,
        sun_elevation=facts.sun.elevation_deg, view_azimuth=facts.view_azimuth_deg, view_angle=facts.view_angle_deg,
        coordinates=coordinates, file_name=escape(facts.file_name), epsg=facts.crs.to_epsg() or 0,
        projection=escape(facts.crs.name), rows=facts.shape[0], cols=facts.shape[1], bands=len(facts.coefficients),
        corrected=str(facts.corrected).lower(), cloud=facts.shares[5], unusable=100 - facts.shares[0],
        band_metadata="\n".join(
            _BAND.format(number=number, coefficient=float(value))
            for number, value in enumerate(facts.coefficients, start=1)
        ),
    )  # fmt: skip


def item_json(facts: ProductFacts) -> str:
    """Write Planet's item JSON of type PSScene."""
    clear, snow, shadow, light, heavy, cloud = (round(share) for share in facts.shares)
    left, _, _, top = facts.outline.bounds
    published = facts.acquired + timedelta(hours=9)
    properties: dict[str, Any] = {
        "acquired": _zulu(facts.acquired), "anomalous_pixels": 0, "clear_confidence_percent": 90,
        "clear_percent": clear, "cloud_cover": round(facts.shares[5] / 100, 2), "cloud_percent": cloud,
        "ground_control": True, "gsd": 3.7, "heavy_haze_percent": heavy, "instrument": facts.instrument,
        "item_type": "PSScene", "light_haze_percent": light, "pixel_resolution": facts.res_m,
        "provider": "planetscope", "published": _zulu(published), "publishing_stage": "finalized",
        "quality_category": "standard", "satellite_azimuth": round(facts.view_azimuth_deg, 1),
        "satellite_id": facts.satellite, "shadow_percent": shadow, "snow_ice_percent": snow,
        "strip_id": facts.acquired.strftime("%y%j%H%M"), "sun_azimuth": round(facts.sun.azimuth_deg, 1),
        "sun_elevation": round(facts.sun.elevation_deg, 1), "updated": _zulu(published),
        "view_angle": round(abs(facts.view_angle_deg), 1), "visible_confidence_percent": 85,
        "visible_percent": clear, "columns": facts.shape[1], "rows": facts.shape[0],
        "epsg_code": facts.crs.to_epsg(), "origin_x": left, "origin_y": top,
    }  # fmt: skip
    item = {
        "type": "Feature", "id": facts.item_id, "properties": properties,
        "geometry": mapping(to_wgs84(facts.outline, facts.crs)),
    }  # fmt: skip
    return json.dumps(item, indent=1)


def to_wgs84(outline: Polygon, crs: CRS) -> Polygon:
    """Turn a small outline into longitude and latitude."""
    transformer = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    xs, ys = zip(*outline.exterior.coords, strict=True)
    return Polygon(zip(*transformer.transform(xs, ys), strict=True))


def _zulu(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}Z"
