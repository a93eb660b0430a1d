"""Regions as tables, a run of outlines at a time: GeoPackage, FlatGeobuf and GeoParquet.

FlatGeobuf and GeoParquet are in WGS84, their outlines those of the GeoJSON to the last digit, and can be read in part,
over the network; the GeoPackage is in the grid's own CRS. The same regions give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from geo.lattice import crs_of
from geo.legend import LegendClass
from geo.outlines import Polygons, batches
from geo.polygons import Regions
from geo.vectors import in_degrees, on_grid, properties_of

if TYPE_CHECKING:
    import pyarrow as pa

_GEOMETRY = "geometry"


def write_geopackage(
    regions: Regions, geobox: GeoBox, dates: Sequence[date], classes: Sequence[LegendClass], dst: Path
) -> None:
    """Write regions as layer `polygons` of a GeoPackage, dates as dates.

    Args: as `geo.vectors.write_geojson`.
    """
    import pyogrio

    def placed(outlines: Polygons) -> Polygons:
        return np.asarray(shapely.orient_polygons(on_grid(outlines, geobox)))

    # A GeoPackage states when it was changed; here that is the day of the last date, not the time of writing.
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": f"{dates[-1].isoformat()}T00:00:00Z"})
    try:
        _write(
            _tables(regions, dates, classes, placed),
            dst,
            driver="GPKG",
            geometry_type="Polygon",
            crs=crs_of(geobox).to_wkt(),
            dataset_options={"VERSION": "1.2"},  # what QGIS 3.22's GDAL knows wholly
        )
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def write_flatgeobuf(
    regions: Regions, geobox: GeoBox, dates: Sequence[date], classes: Sequence[LegendClass], dst: Path
) -> None:
    """Write regions as FlatGeobuf with its spatial index, so that a window costs a few ranges.

    Args: as `geo.vectors.write_geojson`.
    """

    def placed(outlines: Polygons) -> Polygons:
        """Make every outline a multipolygon, which the antimeridian makes of some, and of which a file has one kind."""
        degrees = in_degrees(outlines, geobox)
        simple = shapely.get_type_id(degrees) == shapely.GeometryType.POLYGON
        degrees[simple] = shapely.multipolygons(degrees[simple][:, None])
        return degrees

    _write(
        _tables(regions, dates, classes, placed),
        dst,
        driver="FlatGeobuf",
        geometry_type="MultiPolygon",
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

    sides = ("xmin", "ymin", "xmax", "ymax")
    schema = _schema().append(pa.field("bbox", pa.struct([(side, pa.float64()) for side in sides])))
    whole = np.array([np.inf, np.inf, -np.inf, -np.inf])
    with ParquetWriter(dst, schema, compression="zstd") as writer:
        for outlines, table in _tables(regions, dates, classes, lambda some: in_degrees(some, geobox)):
            bounds = shapely.bounds(outlines)
            low, high = np.minimum(whole, bounds.min(axis=0)), np.maximum(whole, bounds.max(axis=0))
            whole = np.concatenate([low[:2], high[2:]])
            boxes = pa.StructArray.from_arrays([pa.array(side) for side in bounds.T], list(sides))
            writer.write_batch(pa.record_batch([*table.columns, boxes], schema=schema))
        writer.add_key_value_metadata({"geo": json.dumps(_about(whole))})


def _schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [
            ("class", pa.string()),
            ("class_id", pa.int32()),
            ("first_seen", pa.date32()),
            ("last_seen", pa.date32()),
            ("area_ha", pa.float64()),
            ("mean_confidence", pa.float64()),
            (_GEOMETRY, pa.binary()),
        ]
    )


def _tables(
    regions: Regions,
    dates: Sequence[date],
    classes: Sequence[LegendClass],
    place: Callable[[Polygons], Polygons],
) -> Iterator[tuple[Polygons, pa.RecordBatch]]:
    """Yield the outlines of each run of regions where `place` puts them, and their table; none is empty."""
    import pyarrow as pa

    rows = properties_of(regions, dates, classes)
    for some in batches(regions.outlines):
        outlines = place(regions.outlines[some])
        if not len(outlines):
            continue
        told = [_with_days(row) for row in islice(rows, len(outlines))]
        columns = {name: [row[name] for row in told] for name in told[0]}
        columns[_GEOMETRY] = list(shapely.to_wkb(outlines))
        yield outlines, pa.RecordBatch.from_pydict(columns, _schema())


def _with_days(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, **{name: date.fromisoformat(row[name]) for name in ("first_seen", "last_seen")}}


def _write(tables: Iterator[tuple[Polygons, pa.RecordBatch]], dst: Path, **how: Any) -> None:
    """Write tables through GDAL as they come, to the layer `polygons`."""
    import pyarrow as pa
    from pyogrio.raw import write_arrow

    reader = pa.RecordBatchReader.from_batches(_schema(), (table for _, table in tables))
    write_arrow(reader, str(dst), layer="polygons", geometry_name=_GEOMETRY, **how)


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
    return {"version": "1.1.0", "primary_column": _GEOMETRY, "columns": {_GEOMETRY: column}}
