"""Cloud-optimised GeoTIFFs, written by GDAL in one streaming pass; the same pixels give the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import rasterio
import rasterio.shutil

TILE_PX = 512
"""Edge of a COG's tiles; rasters no larger than this need no overviews."""

CACHE_BYTES = 64 * 2**20
"""GDAL's block cache while it writes, so that memory does not grow with the raster; rasterio takes bytes here."""

Resampling = Literal["nearest", "mode", "average"]


@contextmanager
def cache_limit() -> Iterator[None]:
    """Hold GDAL's block cache of this process to `CACHE_BYTES` for a while."""
    with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES, GDAL_PAM_ENABLED=True):
        yield


def write_cog(source: str | Path, dst: Path, *, overviews: Resampling, predictor: bool = False) -> None:
    """Copy a raster into a cloud-optimised GeoTIFF.

    DEFLATE is what every GDAL since 1.x reads, QGIS 3.22's among them. Category names have no place in a TIFF:
    GDAL writes them to `dst` + ".aux.xml" and reads them back from there, over HTTP too.

    Args:
        source: path of a raster, or the text of a VRT (`geo.mosaic.mosaic_vrt`); its type, nodata, colours,
            descriptions and metadata are kept.
        dst: file to write.
        overviews: how smaller versions are made: "mode" for classes, "average" for quantities, "nearest" where nodata
            means something and must keep its share; both others overlook it.
        predictor: difference neighbouring values before compression; pays off where values vary smoothly.
    """
    with cache_limit():
        rasterio.shutil.copy(
            str(source),
            str(dst),
            driver="COG",
            COMPRESS="DEFLATE",
            LEVEL=6,
            PREDICTOR="YES" if predictor else "NO",
            BLOCKSIZE=TILE_PX,
            OVERVIEWS="IGNORE_EXISTING",
            OVERVIEW_RESAMPLING=overviews.upper(),
            BIGTIFF="IF_SAFER",
            NUM_THREADS=1,
        )
