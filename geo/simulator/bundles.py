"""A simulated series as files: PlanetScope bundles as Planet delivers them, and the truth beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry import Polygon, mapping

from geo.simulator.planet_metadata import ProductFacts, item_json, product_xml, to_wgs84
from geo.simulator.series import Series, truth
from geo.simulator.strips import Strip, cut_strips, outline_px
from geo.simulator.udm2 import UsableData

SOUTHERN_ORIGIN = (600_000.0, 8_360_000.0)
UDM2_BANDS = ("clear", "snow", "shadow", "haze_light", "haze_heavy", "cloud", "confidence", "udm1")
DESCRIPTIONS = {
    4: ("blue", "green", "red", "nir"),
    8: ("coastal_blue", "blue", "green_i", "green", "yellow", "red", "rededge", "nir"),
}
_RADIANCE_COEFFICIENTS = {
    4: (2.18308670474847e-05, 2.3015015180605666e-05, 2.565908193739518e-05, 3.8835539237005976e-05),
    8: (1.99e-05, 2.05e-05, 2.18e-05, 2.23e-05, 2.35e-05, 2.53e-05, 2.82e-05, 3.98e-05),
}
_UDM1_BLACKFILL, _UDM1_CLOUD = 1, 2


@dataclass(frozen=True)
class BundlePaths:
    """Where one simulated scene was written.

    Attributes:
        item_id: Planet's id of the scene.
        date: number of the look within the series, from 0.
        acquired: time of acquisition, aware, UTC.
        image, udm2, metadata_xml, metadata_json: its files.
    """

    item_id: str
    date: int
    acquired: datetime
    image: Path
    udm2: Path
    metadata_xml: Path
    metadata_json: Path


def write_bundles(
    series: Series,
    out_dir: Path,
    *,
    crs: str = "EPSG:32720",
    origin: tuple[float, float] = SOUTHERN_ORIGIN,
    scenes_per_date: int = 2,
    overlap_px: int | None = None,
    edge_px: int | None = None,
    product: Literal["sr", "radiance"] = "sr",
) -> list[BundlePaths]:
    """Write every look as scenes of one pass: strips from north to south, two seconds apart, that overlap.

    Args:
        series: what to write.
        out_dir: folder, made if it is not there.
        crs: projected CRS in metres.
        origin: x, y of the landscape's north-west corner.
        scenes_per_date: strips per look; together they cover the landscape.
        overlap_px: rows that neighbouring strips share; None = a tenth of the height, and enough for the edges.
        edge_px: depth of the triangle without data at a strip's tilted, ragged inner edges; None = a fortieth.
        product: surface reflectance x 10,000, or radiance with its coefficients in the XML.

    Returns:
        The files of each scene, by date, then from north to south.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    strips = cut_strips(series.spec.shape, scenes_per_date, overlap_px, edge_px, seed=series.seed)
    place = Affine(series.spec.res_m, 0, origin[0], 0, -series.spec.res_m, origin[1])
    return [
        _write_scene(series, date, strip, number, _Target(out_dir, CRS.from_user_input(crs), place, product))
        for date in range(series.spec.dates)
        for number, strip in enumerate(strips)
    ]


def write_truth(
    series: Series, out_dir: Path, *, crs: str = "EPSG:32720", origin: tuple[float, float] = SOUTHERN_ORIGIN
) -> list[Path]:
    """Write truth_YYYYMMDD.tif per look (uint8 class ids) and truth_change_date.tif (days since 1970, 0 = none).

    Same grid as `write_bundles` with the same `crs` and `origin`.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    place = Affine(series.spec.res_m, 0, origin[0], 0, -series.spec.res_m, origin[1])
    theme = series.spec.theme
    classes, paths = truth(series), []
    for values, time in zip(classes, series.times, strict=True):
        path = out_dir / f"truth_{time:%Y%m%d}.tif"
        _write(path, values[None], crs, place, descriptions=("burned" if theme == "burned-area" else "trees",))
        paths.append(path)
    change = series.burn_day if theme == "burned-area" else series.loss_day
    path = out_dir / "truth_change_date.tif"
    _write(path, change[None], crs, place, descriptions=("change_date",), nodata=0)
    return [*paths, path]


def aoi_of(
    series: Series, *, crs: str = "EPSG:32720", origin: tuple[float, float] = SOUTHERN_ORIGIN, margin: float = 0.04
) -> dict[str, Any]:
    """Return an area of interest within the landscape: a hexagon in WGS84, as a GeoJSON geometry.

    Args:
        series: gives the extent.
        crs: as in `write_bundles`.
        origin: as in `write_bundles`.
        margin: share of the width and height that is left out at each side.
    """
    width, height = (size * series.spec.res_m for size in (series.spec.width, series.spec.height))
    corners = ((0, 0.25), (0.3, 0), (1, 0.1), (0.95, 0.7), (0.7, 1), (0.05, 0.9))
    inner = 1 - 2 * margin
    ring = [
        (origin[0] + (margin + inner * across) * width, origin[1] - (margin + inner * down) * height)
        for across, down in reversed(corners)
    ]
    return dict(mapping(to_wgs84(Polygon(ring), CRS.from_user_input(crs))))


@dataclass(frozen=True)
class _Target:
    folder: Path
    crs: CRS
    place: Affine
    product: Literal["sr", "radiance"]


def _write_scene(series: Series, date: int, strip: Strip, number: int, target: _Target) -> BundlePaths:
    spec, satellite = series.spec, series.satellites[date]
    acquired = series.times[date] + timedelta(seconds=2 * number)
    stamp = f"{acquired:%Y%m%d_%H%M%S}"
    item_id = f"{stamp}_{satellite}" if spec.bands == 4 else f"{stamp}_{acquired.microsecond // 10_000:02d}_{satellite}"
    eight, level = "_8b" if spec.bands == 8 else "", "_SR" if target.product == "sr" else ""
    image = target.folder / f"{item_id}_3B_AnalyticMS{level}{eight}.tif"
    udm2 = target.folder / f"{item_id}_3B_udm2.tif"
    xml = target.folder / f"{item_id}_3B_AnalyticMS{eight}_metadata.xml"
    item = target.folder / f"{item_id}_metadata.json"
    rows = slice(strip.top, strip.top + strip.valid.shape[0])
    place = target.place * Affine.translation(0, strip.top)
    coefficients = _RADIANCE_COEFFICIENTS[spec.bands]
    scales = np.full(spec.bands, 1e-4) if target.product == "sr" else np.array(coefficients)
    values = np.rint(series.reflectance[date, :, rows] / scales[:, None, None].astype(np.float32))
    numbers = np.where(strip.valid, np.clip(values, 1, 65_535), 0).astype(np.uint16)
    _write(image, numbers, target.crs, place, descriptions=DESCRIPTIONS[spec.bands], nodata=0)
    mask, shares = udm2_bands(series.masks[date], rows, strip.valid)
    _write(udm2, mask, target.crs, place, descriptions=UDM2_BANDS)
    facts = ProductFacts(
        item_id=item_id, acquired=acquired, satellite=satellite, sun=series.suns[date],
        view_angle_deg=float(int(satellite, 16) % 90 - 45) / 10, view_azimuth_deg=98.5, coefficients=coefficients,
        shares=shares, outline=Polygon([place * corner for corner in outline_px(strip.valid)]), crs=target.crs,
        shape=numbers.shape[1:], res_m=spec.res_m, corrected=target.product == "sr", file_name=image.name,
    )  # fmt: skip
    xml.write_text(product_xml(facts), encoding="utf-8")
    item.write_text(item_json(facts), encoding="utf-8")
    return BundlePaths(item_id, date, acquired, image, udm2, xml, item)


def udm2_bands(mask: UsableData, rows: slice, valid: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], tuple[float, ...]]:
    """Return the eight bands of a strip's UDM2, (8, H, W), and the percent of valid pixels per class."""
    nothing = np.zeros_like(valid)
    classes = [mask.clear, nothing, mask.shadow, mask.light_haze, mask.heavy_haze, mask.cloud]
    bands = np.zeros((8, *valid.shape), np.uint8)
    for band, whole in enumerate(classes):
        bands[band] = (whole if whole is nothing else whole[rows]) & valid
    bands[6] = np.where(valid, np.where(bands[0] == 1, 92, 71), 0)
    bands[7] = np.where(valid, bands[5] * np.uint8(_UDM1_CLOUD), _UDM1_BLACKFILL)
    total = max(1, int(valid.sum()))
    return bands, tuple(100.0 * float(bands[band].sum(dtype=np.int64)) / total for band in range(6))


def _write(
    path: Path,
    values: NDArray[Any],
    crs: CRS | str,
    place: Affine,
    *,
    descriptions: Sequence[str],
    nodata: int | None = None,
) -> None:
    """Write a tiled GeoTIFF of (bands, rows, columns)."""
    count, height, width = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=height, width=width, dtype=values.dtype, crs=crs,
        transform=place, nodata=nodata, tiled=True, blockxsize=256, blockysize=256, compress="lzw", predictor=2,
        BIGTIFF="IF_SAFER", interleave="pixel" if count == 4 else "band",
    ) as dataset:  # fmt: skip
        dataset.write(values)
        dataset.descriptions = tuple(descriptions)
