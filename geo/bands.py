"""Roles of bands, told by the caller, by a raster's band descriptions, or by their number."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from geo.errors import BandsUnknown

ROLES = ("coastal", "blue", "green05", "green", "yellow", "red", "rededge", "nir", "swir16", "swir22")
"""Names of roles: STAC common names, with green05 for PlanetScope's green I (513-549 nm)."""

REQUIRED = ("blue", "green", "red", "nir")
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

_SENTINEL2 = {"1": "coastal", "2": "blue", "3": "green", "4": "red", "8": "nir", "11": "swir16", "12": "swir22"}


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
    found = named_roles(descriptions)
    if all(role in found for role in REQUIRED):
        return found
    return _sentinel2_roles(descriptions)


def named_roles(names: Sequence[str | None]) -> dict[str, int]:
    """Return the role -> band number of every band whose name means one; the first of a kind counts."""
    found: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        role = role_named(name or "")
        if role is not None:
            found.setdefault(role, number)
    return found


def require_roles(bands: Mapping[str, int], count: int, name: str) -> None:
    """Refuse roles that lack blue, green, red or nir, that share a band, or that point past the last band.

    Raises:
        BandsUnknown: naming what is missing.
    """
    missing = [role for role in REQUIRED if role not in bands]
    if missing:
        raise BandsUnknown(
            f"{name} has {count} band(s) and no band is known to be {', '.join(missing)}; "
            + (
                "name the bands (blue=1,green=2,red=3,nir=4), or describe them in the file"
                if count >= len(REQUIRED)
                else "a scene needs all of blue, green, red and near infrared in one file"
            )
        )
    unknown = [role for role in bands if role not in ROLES]
    if unknown:
        raise BandsUnknown(f"unknown band role(s) {', '.join(unknown)}; use {', '.join(ROLES)}")
    if len(set(bands.values())) < len(bands):
        raise BandsUnknown(f"two roles share one band of {name}: {dict(bands)}; give each its own number")
    check_bands(bands, count, name)


def _sentinel2_roles(descriptions: Sequence[str | None]) -> dict[str, int] | None:
    """Read Sentinel-2's band names. Landsat 8 names its bands alike, but its B5 is nir and it has no B8A or B12."""
    found: dict[str, int] = {}
    for number, description in enumerate(descriptions, start=1):
        match = re.fullmatch(r"B0?(\d{1,2}A?)", (description or "").strip().upper())
        if match is not None:
            found.setdefault(match[1], number)
    sentinel2 = {"8A", "12"} & set(found) or "5" not in found
    if not sentinel2 or any(name not in found for name in ("2", "3", "4", "8")):
        return None
    return {role: found[name] for name, role in _SENTINEL2.items() if name in found}


def check_bands(bands: Mapping[str, int], count: int, name: str = "the raster") -> None:
    """Refuse roles that point past the raster's last band.

    Raises:
        BandsUnknown: a number is below 1 or larger than `count`.
    """
    for role, number in bands.items():
        if not 1 <= number <= count:
            raise BandsUnknown(f"{role}={number}, but {name} has {count} band(s)")
