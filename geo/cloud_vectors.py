"""Regions as files that are read in part, over the network: FlatGeobuf and GeoParquet, both in WGS84.

The outlines are those of the GeoJSON, to the last digit; the same regions give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from geo.legend import LegendClass
from geo.outlines import batches
from geo.polygons import Regions
from geo.vectors import COLUMNS, columns_of, in_degrees, properties_of


def write_flatgeobuf(
    regions: Regions, geobox: GeoBox, dates: Sequence[date], classes: Sequence[LegendClass], dst: Path
) -> None:
    """Write regions as FlatGeobuf with its spatial index, so that a window costs a few ranges.

    Args: as `geo.vectors.write_geojson`.
    """
    from pyogrio.raw import write

    outlines = np.empty(len(regions.outlines), object)
    for some in batches(regions.outlines):
        outlines[some] = shapely.to_wkb(in_degrees(regions.outlines[some], geobox))
    write(
        str(dst),
        outlines,
        columns_of(regions, dates, classes),
        list(COLUMNS),
        driver="FlatGeobuf",
        layer="polygons",
        geometry_type="MultiPolygon",  # the antimeridian may cut a polygon in two
        promote_to_multi=True,
        crs="OGC:CRS84",
    )


def write_geoparquet(
    regions: Regions, geobox: GeoBox, dates: Sequence[date], classes: Sequence[LegendClass], dst: Path
) -> None:
    """Write regions as GeoParquet 1.1: WKB, a row group for each run of outlines, and a box with each row.

    Args: as `geo.vectors.write_geojson`.

    Source: GeoParquet 1.1.0; without a CRS the coordinates are longitude and latitude (OGC:CRS84).
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    box = pa.struct([(side, pa.float64()) for side in ("xmin", "ymin", "xmax", "ymax")])
    schema = pa.schema(
        [
            ("class", pa.string()),
            ("class_id", pa.int32()),
            ("first_seen", pa.date32()),
            ("last_seen", pa.date32()),
            ("area_ha", pa.float64()),
            ("mean_confidence", pa.float64()),
            ("geometry", pa.binary()),
            ("bbox", box),
        ]
    )
    rows, whole = properties_of(regions, dates, classes), np.array([np.inf, np.inf, -np.inf, -np.inf])
    with ParquetWriter(dst, schema, compression="zstd") as writer:
        for some in batches(regions.outlines):
            outlines = in_degrees(regions.outlines[some], geobox)
            bounds = shapely.bounds(outlines)
            if len(outlines):
                whole = np.concatenate(
                    [np.minimum(whole, bounds.min(axis=0))[:2], np.maximum(whole, bounds.max(axis=0))[2:]]
                )
            told = [
                {**row, "first_seen": _day(row, "first_seen"), "last_seen": _day(row, "last_seen")}
                for row in islice(rows, len(outlines))
            ]
            columns = {name: [row[name] for row in told] for name in COLUMNS}
            columns["geometry"] = list(shapely.to_wkb(outlines))
            columns["bbox"] = [dict(zip(("xmin", "ymin", "xmax", "ymax"), map(float, b), strict=True)) for b in bounds]
            writer.write_table(pa.table(columns, schema=schema))
        writer.add_key_value_metadata({"geo": json.dumps(_about(whole))})


def _about(bounds: Any) -> dict[str, Any]:
    sides = {side: ["bbox", side] for side in ("xmin", "ymin", "xmax", "ymax")}
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": ["Polygon", "MultiPolygon"],
        "orientation": "counterclockwise",
        "covering": {"bbox": sides},
    }
    if np.isfinite(bounds).all():
        column["bbox"] = [float(side) for side in bounds]
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}


def _day(row: dict[str, Any], name: str) -> date:
    return date.fromisoformat(row[name])
