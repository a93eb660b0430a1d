"""Synthetic scenes of any size for the benchmarks: a simulated pattern of 512 x 512 pixels, repeated."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from shapely.geometry import mapping

from geo.bands import PLANETSCOPE_4
from geo.scene import Scene
from geo.simulator.series import simulate
from geo.simulator.spec import SeriesSpec, Theme

PATTERN_PX = 512
FILES = 8
"""Dates beyond these read the same files again: disks are finite, and reading costs the same."""

FIRST = datetime(2020, 6, 1, 14, 30, tzinfo=UTC)


def area_of(size_px: int) -> dict[str, Any]:
    """Return the square of size_px x size_px pixels in the middle of all these scenes, as GeoJSON."""
    area: dict[str, Any] = mapping(_footprint(_grid(size_px)))
    return area


def write_series(
    folder: Path, size_px: int, dates: int, theme: Theme = "burned-area", *, margin_px: int = 0
) -> list[Scene]:
    """Write scenes of size_px x size_px pixels and a margin around them, as ingest leaves them, and open them."""
    spec = SeriesSpec(theme=theme, height=PATTERN_PX, width=PATTERN_PX, dates=min(dates, FILES), start=FIRST.date())
    pattern = simulate(spec, 7)
    geobox = _grid(size_px, margin_px)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(spec.dates):
        dn = np.clip(np.rint(pattern.reflectance[number] * 1e4), 1, 65535).astype(np.uint16)
        _write(folder / f"{number}_reflectance.tif", geobox, dn)
        _write(folder / f"{number}_clear.tif", geobox, pattern.clear[number][None].astype(np.uint8))
    return open_series(folder, size_px, dates, margin_px=margin_px)


def open_series(folder: Path, size_px: int, dates: int, *, margin_px: int = 0) -> list[Scene]:
    """Return the scenes that `write_series` wrote, one per date, nine days apart."""
    geobox = _grid(size_px, margin_px)
    footprint, files = _footprint(geobox), min(dates, FILES)
    return [
        Scene(
            id=f"date{number:03d}",
            acquired=FIRST + timedelta(days=9 * number),
            satellite="1001",
            bands=PLANETSCOPE_4,
            reflectance=str(folder / f"{number % files}_reflectance.tif"),
            clear=str(folder / f"{number % files}_clear.tif"),
            geobox=geobox,
            footprint=footprint,
        )
        for number in range(dates)
    ]


def _grid(size_px: int, margin_px: int = 0) -> GeoBox:
    side, out_m = size_px + 2 * margin_px, 3 * margin_px
    return GeoBox((side, side), Affine(3, 0, 600_000 - out_m, 0, -3, 8_360_000 + out_m), "EPSG:32720")


def _write(path: Path, geobox: GeoBox, pattern: NDArray[np.uint16] | NDArray[np.uint8]) -> None:
    rows, cols = geobox.shape
    whole = np.concatenate([pattern, pattern[:, :, ::-1]], axis=2)
    strip = np.tile(whole, (1, 1, -(-cols // whole.shape[2])))[:, :, :cols]
    with rasterio.open(
        path, "w", driver="GTiff", height=rows, width=cols, count=len(pattern), dtype=pattern.dtype.name,
        crs=str(geobox.crs), transform=geobox.affine, tiled=True, blockxsize=512, blockysize=512, compress="deflate",
        predictor=2, zlevel=1, interleave="pixel", bigtiff="if_safer", nodata=0 if len(pattern) > 1 else None,
    ) as dataset:  # fmt: skip
        for number, role in enumerate(PLANETSCOPE_4[: len(pattern)] if len(pattern) > 1 else ("clear",), start=1):
            dataset.set_band_description(number, role)
        for row in range(0, rows, PATTERN_PX):
            part = strip if row // PATTERN_PX % 2 == 0 else strip[:, ::-1]
            height = min(PATTERN_PX, rows - row)
            dataset.write(part[:, :height], window=((row, row + height), (0, cols)))


def _footprint(geobox: GeoBox) -> shapely.Polygon:
    to_wgs84 = Transformer.from_crs(str(geobox.crs), "OGC:CRS84", always_xy=True)
    west, south, east, north = geobox.boundingbox.bbox
    return shapely.transform(
        shapely.box(west, south, east, north), lambda xy: np.column_stack(to_wgs84.transform(xy[:, 0], xy[:, 1]))
    )
