"""What a scene's metadata say: Planet's item JSON (or its STAC form) and product XML."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from geo.errors import SceneRejected

MAX_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Metadata:
    """Facts about an acquisition; None, "" or empty where nobody said.

    Attributes:
        item_id: Planet's id of the scene, or the name that it starts with.
        acquired: aware, UTC.
        satellite, instrument: as Planet names them ("2259", "PSB.SD").
        planetscope: the metadata say that this is PlanetScope.
        off_nadir_deg, incidence_deg, view_azimuth_deg, sun_azimuth_deg, sun_elevation_deg: degrees.
        cloud_pct: cloud cover, 0-100.
        coefficients: band number -> factor from stored number to top-of-atmosphere reflectance.
    """

    item_id: str = ""
    acquired: datetime | None = None
    satellite: str = ""
    instrument: str = ""
    planetscope: bool = False
    off_nadir_deg: float | None = None
    incidence_deg: float | None = None
    view_azimuth_deg: float | None = None
    sun_azimuth_deg: float | None = None
    sun_elevation_deg: float | None = None
    cloud_pct: float | None = None
    coefficients: Mapping[int, float] = field(default_factory=dict)

    def or_else(self, other: Metadata) -> Metadata:
        """Fill what is missing from another source."""
        unsaid = Metadata()
        missing = {
            f.name: getattr(other, f.name) for f in fields(self) if getattr(self, f.name) == getattr(unsaid, f.name)
        }
        return replace(self, **missing)


def read_metadata(path: Path) -> Metadata:
    """Read a metadata file, JSON or XML, told apart by their first character.

    Raises:
        SceneRejected: the file is neither, is too large, hides entities, or gives a time or a coefficient
            that is none.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SceneRejected(f"{path.name} is larger than {MAX_BYTES:,} bytes; expected a scene's metadata")
        content = path.read_bytes().removeprefix(b"\xef\xbb\xbf").strip()
    except OSError as err:
        raise SceneRejected(f"{path.name} cannot be read: {err}") from err
    if content.startswith(b"{"):
        return _from_json(content, path.name)
    if content.startswith(b"<"):
        return _from_xml(content, path.name)
    raise SceneRejected(f"{path.name} is neither JSON nor XML; expected Planet's *_metadata.json or *_metadata.xml")


def _from_json(content: bytes, name: str) -> Metadata:
    try:
        item = json.loads(content)
    except (ValueError, RecursionError) as err:
        raise SceneRejected(f"{name} is not valid JSON ({err}); send Planet's *_metadata.json as it came") from err
    properties = item.get("properties")
    if not isinstance(properties, dict):
        raise SceneRejected(f"{name} has no `properties`; expected a GeoJSON feature, as Planet delivers it")
    cloud = _number(_first(properties, "cloud_cover"), 0, 1)
    kind = " ".join(_text(_first(properties, key)) for key in ("item_type", "provider", "constellation"))
    return Metadata(
        item_id=_text(item.get("id")).lower(),
        acquired=_time(_first(properties, "acquired", "datetime"), name),
        satellite=_text(_first(properties, "satellite_id", "platform")).lower(),
        instrument=_text(_first(properties, "instrument", "instruments")),
        planetscope="psscene" in kind.lower() or "planetscope" in kind.lower(),
        off_nadir_deg=_angle(_first(properties, "view_angle", "view:off_nadir")),
        incidence_deg=_angle(_first(properties, "view:incidence_angle")),
        view_azimuth_deg=_azimuth(_first(properties, "satellite_azimuth", "view:azimuth")),
        sun_azimuth_deg=_azimuth(_first(properties, "sun_azimuth", "view:sun_azimuth")),
        sun_elevation_deg=_number(_first(properties, "sun_elevation", "view:sun_elevation"), -90, 90),
        cloud_pct=cloud * 100 if cloud is not None else _number(_first(properties, "eo:cloud_cover"), 0, 100),
    )


def _from_xml(content: bytes, name: str) -> Metadata:
    try:
        root = fromstring(content)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as err:
        raise SceneRejected(f"{name} is not safe, valid XML ({err}); send Planet's *_metadata.xml as it came") from err
    texts: dict[str, str] = {}
    for element in root.iter():
        texts.setdefault(_local(element), (element.text or "").strip())
    platform = next((_child(e, "shortName") for e in root.iter() if _local(e) == "Platform"), "")
    instrument = next((_child(e, "shortName") for e in root.iter() if _local(e) == "Instrument"), "")
    return Metadata(
        item_id=texts.get("identifier", "").lower(),
        acquired=_time(texts.get("acquisitionDateTime") or texts.get("beginPosition"), name),
        satellite=texts.get("serialIdentifier", "").lower(),
        instrument=instrument,
        planetscope=platform.lower() == "planetscope",
        off_nadir_deg=_angle(texts.get("spaceCraftViewAngle")),
        incidence_deg=_angle(texts.get("incidenceAngle")),
        view_azimuth_deg=_azimuth(texts.get("azimuthAngle")),
        sun_azimuth_deg=_azimuth(texts.get("illuminationAzimuthAngle")),
        sun_elevation_deg=_number(texts.get("illuminationElevationAngle"), -90, 90),
        cloud_pct=_number(texts.get("cloudCoverPercentage"), 0, 100),
        coefficients=dict(_coefficients(root, name)),
    )


def _coefficients(root: Element, name: str) -> Iterator[tuple[int, float]]:
    for band in root.iter():
        if _local(band) == "bandSpecificMetadata" and _child(band, "reflectanceCoefficient"):
            number, factor = _child(band, "bandNumber"), _number(_child(band, "reflectanceCoefficient"), 0, 1)
            if not number.isdecimal() or not factor:
                raise SceneRejected(
                    f"{name}: band {number!r} has no usable reflectanceCoefficient; expected 0 < x <= 1"
                )
            yield int(number), factor


def _local(element: Element) -> str:
    # Planet's namespaces differ between versions; the local names do not.
    return str(element.tag).rpartition("}")[2]


def _child(element: Element, name: str) -> str:
    return next(((e.text or "").strip() for e in element if _local(e) == name), "")


def _first(properties: Mapping[str, Any], *names: str) -> Any:
    return next((properties[name] for name in names if properties.get(name) is not None), None)


def _text(value: object) -> str:
    if isinstance(value, list):
        value = value[0] if value else ""
    return value.strip()[:64] if isinstance(value, str) else ""


def _number(value: object, low: float, high: float) -> float | None:
    """Return a number within its bounds, or None: a wrong angle is worth no refusal."""
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if low <= number <= high else None


def _angle(value: object) -> float | None:
    number = _number(value, -90, 90)
    return None if number is None else abs(number)


def _azimuth(value: object) -> float | None:
    number = _number(value, -360, 360)
    return None if number is None else number % 360


def _time(value: object, name: str) -> datetime | None:
    if value is None or value == "":
        return None
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        time = None
    if time is None:
        raise SceneRejected(f"{name}: the time of acquisition is {str(value)[:64]!r}; expected 2020-07-27T01:44:58Z")
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
