"""Stacks: co-registered scenes as xarray, lazy with dask, loaded by odc-stac."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

import numpy as np
import odc.stac
import pystac
import xarray as xr
from odc.geo.geobox import GeoBox

from geo.dates import DateBy, DateGroup, group_scenes
from geo.errors import StackRefused
from geo.item import scene_item
from geo.scene import REFLECTANCE_NODATA, REFLECTANCE_SCALE, Scene


def open_stack(
    scenes: Sequence[Scene], geobox: GeoBox, bands: Sequence[str], *, by: DateBy = "day", chunk_px: int = 1024
) -> xr.Dataset:
    """Open scenes as one lazy data set on one grid; nothing is read before `compute`.

    Meant for looking and for analysis. On other grids than the scenes' own, values are warped chunk by chunk (GDAL's
    approximation, up to an eighth of a pixel); where the same pixel must be the same in every window, use
    `geo.reader.DateReader`, which agrees with this on shared grids.

    Args:
        scenes: in any order; those of one date are merged, clear pixels first.
        geobox: grid of the result.
        bands: roles to load.
        by: which scenes are one date.
        chunk_px: edge of dask's chunks.

    Returns:
        Variables named as the bands: reflectance float32 (time, y, x), NaN where no scene has data; and `clear`, bool.
        Coordinate `label` holds the dates' labels.

    Raises:
        StackRefused: no scenes, or one lacks a band or a CRS.
    """
    for scene in scenes:
        if missing := [band for band in bands if band not in scene.bands]:
            raise StackRefused(f"scene {scene.id} lacks {', '.join(missing)}; it has {', '.join(scene.bands)}")
    groups = group_scenes(scenes, by)
    if not groups:
        raise StackRefused("no scenes to stack: expected at least one")
    merged = [_merged([_opened(scene, geobox, bands, chunk_px) for scene in group.scenes]) for group in groups]
    times = np.array([_time(group) for group in groups], "datetime64[ns]")
    labels = [group.label for group in groups]
    stack: xr.Dataset = xr.concat(merged, xr.DataArray(times, dims="time", name="time"), join="exact")
    return stack.assign_coords(label=("time", labels))


def _time(group: DateGroup) -> np.datetime64:
    return np.datetime64(group.scenes[0].acquired.astimezone(UTC).replace(tzinfo=None), "ns")


def _opened(scene: Scene, geobox: GeoBox, bands: Sequence[str], chunk_px: int) -> xr.Dataset:
    keys = {f"reflectance.{scene.bands.index(band) + 1}": band for band in bands}
    loaded = odc.stac.load(
        [pystac.Item.from_dict(scene_item(scene))],
        bands=[*keys, "clear"],
        geobox=geobox,
        groupby="id",
        chunks={"y": chunk_px, "x": chunk_px},
        resampling={"clear": "nearest", "*": "bilinear"},
    )
    return loaded.isel(time=0, drop=True).rename(keys | {"clear": "usable"})


def _merged(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """Merge scenes of one date: the first that is clear wins, then the first with data."""
    bands = [str(name) for name in parts[0].data_vars if name != "usable"]
    values = parts[0][bands]
    filled = _has_data(values)
    clear = (parts[0]["usable"] == 1) & filled
    for part in parts[1:]:
        data = _has_data(part[bands])
        usable = (part["usable"] == 1) & data
        values = values.where(clear | ~(usable | (data & ~filled)), part[bands])
        clear, filled = clear | usable, filled | data
    reflectance = (values.astype(np.float32) * np.float32(REFLECTANCE_SCALE)).where(filled)
    return reflectance.assign(clear=clear)


def _has_data(values: xr.Dataset) -> xr.DataArray:
    return (values.to_dataarray("band") != REFLECTANCE_NODATA).any("band")
