"""The JSON Schema of an area of interest: the GeoJSON of RFC 7946 that has an extent."""

from __future__ import annotations

from typing import Any

_POSITION = {"type": "array", "items": {"type": "number"}, "minItems": 2}
_RING = {"type": "array", "items": _POSITION, "minItems": 3}
_RINGS = {"type": "array", "items": _RING, "minItems": 1}


def _object(kind: str, **properties: Any) -> dict[str, Any]:
    told = {"type": {"type": "string", "enum": [kind]}, **properties}
    return {"type": "object", "required": list(told), "properties": told}


_GEOMETRY = {
    "oneOf": [
        _object("Polygon", coordinates=_RINGS),
        _object("MultiPolygon", coordinates={"type": "array", "items": _RINGS, "minItems": 1}),
    ]
}
_FEATURE = _object("Feature", geometry=_GEOMETRY)

AREA_SCHEMA: dict[str, Any] = {
    "oneOf": [
        *_GEOMETRY["oneOf"],
        _FEATURE,
        _object("FeatureCollection", features={"type": "array", "items": _FEATURE, "minItems": 1}),
    ]
}
"""Longitude before latitude in degrees, WGS84; heights are dropped, rings closed."""
