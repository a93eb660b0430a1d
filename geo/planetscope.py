"""PlanetScope's products, told from their file names.

`20200906_024424_51_2259_3B_AnalyticMS_SR_8b_harmonized_clip.tif` is date, time, hundredths of a second
(SuperDove only), satellite, level, and then what the file holds.
Source: Planet Imagery Product Specification, naming of PlanetScope products.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

_ITEM = re.compile(
    r"(?P<item>(?P<date>\d{8})_(?P<time>\d{6})(?:_(?P<hundredths>\d{2}))?_(?P<satellite>[0-9a-z]{3,4}))(?=[_.]|$)", re.I
)
_TIFF = (".tif", ".tiff")


class Content(StrEnum):
    """What a file of a bundle holds."""

    SURFACE_REFLECTANCE = "surface reflectance"
    RADIANCE = "top-of-atmosphere radiance"
    UDM2 = "usable data mask"
    UDM = "unusable data mask"
    XML = "metadata (XML)"
    JSON = "metadata (JSON)"
    OTHER = "other"


IMAGES = (Content.SURFACE_REFLECTANCE, Content.RADIANCE)


@dataclass(frozen=True)
class PlanetName:
    """What a PlanetScope file's name says.

    Attributes:
        item_id: Planet's id of the scene, as `20200906_024424_51_2259`.
        acquired: time of acquisition, UTC.
        satellite: id of the satellite, lower case.
        content: what the file holds.
        eight_bands: the name says 8b.
    """

    item_id: str
    acquired: datetime
    satellite: str
    content: Content
    eight_bands: bool


def parse_name(name: str) -> PlanetName | None:
    """Read a PlanetScope file name (or item id); None where the name has another form or no real time."""
    match = _ITEM.match(name)
    if match is None:
        return None
    try:
        acquired = datetime.strptime(match["date"] + match["time"], "%Y%m%d%H%M%S").replace(
            microsecond=int(match["hundredths"] or 0) * 10_000, tzinfo=UTC
        )
    except ValueError:
        return None
    rest = name[match.end() :].lower()
    stem, dot, suffix = rest.rpartition(".")
    words = set((stem if dot else rest).split("_"))
    content = _content(words, dot + suffix)
    return PlanetName(match["item"].lower(), acquired, match["satellite"].lower(), content, "8b" in words)


def _content(words: set[str], suffix: str) -> Content:
    if suffix in (".json", ".xml"):
        described = Content.JSON if suffix == ".json" else Content.XML
        return described if "metadata" in words else Content.OTHER
    if suffix not in _TIFF:
        return Content.OTHER
    if "udm2" in words:
        return Content.UDM2
    if "udm" in words:
        return Content.UDM
    if "analyticms" in words:
        return Content.SURFACE_REFLECTANCE if "sr" in words else Content.RADIANCE
    return Content.OTHER
