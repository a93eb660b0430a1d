"""Labels as rasters on grids of their own, warped onto each scene's grid: the nearest label counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from geo.lattice import crs_of
from models.card import MASK_NODATA
from models.errors import DataRefused
from models.training.datasets.labels import decode
from models.training.datasets.rasters import Header, opened, read_header
from models.training.datasets.scenes_files import WGS84, OwnScene, degrees_text
from models.training.datasets.scenes_labels import Meaning, SceneTruth

NEVER_OFF_PX = 1e-6
"""GDAL's warper interpolates places between others as long as it is off by less; so little moves no pixel."""


class RasterTruth:
    """Rasters of one band; where they overlap, the first with a label counts.

    Raises:
        DataRefused: one has no CRS, or many bands.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, files: Sequence[Path], meaning: Meaning) -> None:
        self._meaning = meaning
        self._headers = [(path, _header(path)) for path in files]

    def on(self, scene: OwnScene) -> SceneTruth | None:
        """Warp the rasters onto a scene's grid; see `Truth`."""
        files = [path for path, header in self._headers if _meets(header, scene)]
        if not files:
            return None

        def read(row: int, col: int, height: int, width: int) -> NDArray[np.int64]:
            target = np.full((height, width), self._meaning.outside, np.int64)
            free = np.ones(target.shape, bool)
            for path in files:
                ids, labelled = self._warped(path, scene, Window(col, row, width, height))
                np.copyto(target, ids, where=free & labelled)
                free &= ~labelled
            return target

        return read

    def bounds_text(self) -> str:
        """Tell where the rasters lie; see `Truth`."""
        bounds = np.array([transform_bounds(one.crs, WGS84, *(one.bounds or ())) for _, one in self._headers])
        return degrees_text(bounds[:, [0, 2]], bounds[:, [1, 3]])

    def _warped(self, path: Path, scene: OwnScene, at: Window) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Read class ids in a window of a scene, and where there is a label at all.

        The warper is told of no nodata, since a nodata value that is a class all the same stays one.
        """
        rows, cols = scene.shape
        with (
            opened(path) as dataset,
            WarpedVRT(
                dataset, crs=crs_of(scene.geobox).to_wkt(), transform=scene.geobox.affine, width=cols, height=rows,
                resampling=Resampling.nearest, tolerance=NEVER_OFF_PX, src_nodata=None, add_alpha=True,
            ) as warped,
        ):  # fmt: skip
            values, alpha = warped.read(1, window=at), warped.read(2, window=at)
            nodata = dataset.nodatavals[0]
        labelled = (alpha > 0) & np.isfinite(values)
        found = {value: self._meaning.id_of(_text(value)) for value in np.unique(values[labelled]).tolist()}
        if nodata is not None and found.get(nodata, 0) is None:
            labelled &= values != nodata
        unknown = [value for value, number in found.items() if number is None and value != nodata]
        if unknown:
            told = {_text(value): int((values[labelled] == value).sum()) for value in unknown}
            raise self._meaning.refusal(path.name, told, f"px over {scene.name}")
        known = {value: number for value, number in found.items() if number is not None}
        ids, _ = decode(values, known or {0: MASK_NODATA}, None)
        return ids, labelled


def _header(path: Path) -> Header:
    header = read_header(path)
    if not header.crs:
        raise DataRefused(f"{path.name}: labels need a place on the earth, and have no CRS; assign one and save again")
    if header.count != 1:
        raise DataRefused(f"{path.name} has {header.count} bands; expected one, of labels")
    return header


def _meets(header: Header, scene: OwnScene) -> bool:
    box = scene.geobox.extent.boundingbox
    west, south, east, north = transform_bounds(header.crs, crs_of(scene.geobox).to_wkt(), *(header.bounds or ()))
    return bool(west < box.right and box.left < east and south < box.top and box.bottom < north)


def _text(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)
