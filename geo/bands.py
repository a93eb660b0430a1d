"""Roles of bands, told by the caller, by a raster's band descriptions, or by their number."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from geo.errors import BandsUnknown

ROLES = ("coastal", "blue", "green05", "green", "yellow", "red", "rededge", "nir", "swir16", "swir22")
"""Names of roles: STAC common names, with green05 for PlanetScope's green I (513-549 nm)."""

PLANETSCOPE_4 = ("blue", "green", "red", "nir")
PLANETSCOPE_8 = ("coastal", "blue", "green05", "green", "yellow", "red", "rededge", "nir")

_SYNONYMS = {
    "coastalblue": "coastal", "coastal": "coastal", "coastalaerosol": "coastal",
    "blue": "blue", "b": "blue",
    "greeni": "green05", "green05": "green05",
    "green": "green", "greenii": "green", "g": "green",
    "yellow": "yellow", "red": "red", "r": "red",
    "rededge": "rededge", "rededgei": "rededge",
    "nir": "nir", "nearinfrared": "nir", "nir08": "nir", "n": "nir",
    "swir16": "swir16", "swir1": "swir16", "swir22": "swir22", "swir2": "swir22",
}  # fmt: skip


def parse_bands(text: str) -> dict[str, int]:
    """Read `blue=1,green=2,red=3,nir=4` into role -> band number (from 1).

    Raises:
        BandsUnknown: the text has another form, an unknown role, or a number below 1.
    """
    bands: dict[str, int] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*([A-Za-z0-9_ ]+?)\s*=\s*(\d+)\s*", part)
        if match is None:
            raise BandsUnknown(f"expected bands as blue=1,green=2,red=3,nir=4; got {part.strip()!r} in {text!r}")
        role, number = role_named(match[1]), int(match[2])
        if role is None:
            raise BandsUnknown(f"unknown band role {match[1]!r}; use one of {', '.join(ROLES)}")
        if number < 1:
            raise BandsUnknown(f"band numbers count from 1; got {role}={number}")
        if role in bands:
            raise BandsUnknown(f"band role {role!r} is given twice in {text!r}")
        bands[role] = number
    return bands


def role_named(name: str) -> str | None:
    """Return the role that a band's name means ("Blue", "near infrared", "nir"), or None."""
    return _SYNONYMS.get(re.sub(r"[^a-z0-9]", "", name.lower()))


def roles_from_descriptions(descriptions: Sequence[str | None]) -> dict[str, int] | None:
    """Tell the roles from a raster's band descriptions; None unless at least blue..nir are all there."""
    found: dict[str, int] = {}
    for number, description in enumerate(descriptions, start=1):
        role = role_named(description or "")
        if role is not None and role not in found:
            found[role] = number
    return found if all(role in found for role in PLANETSCOPE_4) else None


def check_bands(bands: Mapping[str, int], count: int) -> None:
    """Refuse roles that point past the raster's last band.

    Raises:
        BandsUnknown: a number is larger than `count`.
    """
    for role, number in bands.items():
        if number > count:
            raise BandsUnknown(f"{role}={number}, but the raster has {count} band(s)")
