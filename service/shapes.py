"""Geometries as clients write them: boxes and GeoJSON, WGS84."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from shapely.errors import ShapelyError
from shapely.geometry import MultiPolygon, box, shape
from shapely.geometry.base import BaseGeometry

from service.errors import SearchRefused

_MAX_VERTICES = 100_000


def read_bbox(numbers: Sequence[float]) -> BaseGeometry:
    """Return a box from west, south, east, north; with heights (six numbers) these are passed over.

    West is greater than east where the box crosses the antimeridian.

    Raises:
        SearchRefused: other than four or six numbers, out of range, or upside down.
    """
    if len(numbers) == 6:
        numbers = (*numbers[:2], *numbers[3:5])
    if len(numbers) != 4:
        raise SearchRefused(f"expected bbox as west,south,east,north, or six numbers with heights; got {len(numbers)}")
    west, south, east, north = numbers
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
        raise SearchRefused(f"expected a bbox within ±180 and ±90 degrees, south before north; got {list(numbers)}")
    if west > east:
        return MultiPolygon([box(west, south, 180, north), box(-180, south, east, north)])
    return box(west, south, east, north)


def read_geometry(geojson: dict[str, Any]) -> BaseGeometry:
    """Return a geometry of GeoJSON; one that runs over the antimeridian must be split there (RFC 7946, 3.1.9).

    Raises:
        SearchRefused: it is none, empty, invalid, out of range or too large.
    """
    try:
        geometry = shape(geojson)
    except (ShapelyError, AttributeError, KeyError, TypeError, ValueError, IndexError) as err:
        raise SearchRefused("expected a GeoJSON geometry with numbers as coordinates") from err
    found = shapely.get_coordinates(geometry)
    if not len(found) or len(found) > _MAX_VERTICES:
        raise SearchRefused(f"expected a geometry of 1 to {_MAX_VERTICES} positions; got {len(found)}")
    if not (np.abs(found) <= (180, 90)).all():
        raise SearchRefused("expected positions as longitude, latitude within ±180 and ±90 degrees")
    if not geometry.is_valid:
        raise SearchRefused(f"the geometry is not valid: {shapely.is_valid_reason(geometry)}")
    shapely.prepare(geometry)
    return geometry
