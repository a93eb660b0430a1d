"""Labels as polygons with a class attribute, in GeoJSON or GeoPackage."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.crs import CRS

from geo.aoi import polygons_of
from geo.burn import BurnedPolygons
from models.errors import DataRefused
from models.training.datasets.pairs import shorten
from models.training.datasets.scenes_files import OwnScene, degrees_text, to_wgs84
from models.training.datasets.scenes_labels import Meaning, SceneTruth
from models.training.scenes_config import ScenesConfig


class PolygonTruth:
    """Polygons, reprojected and burned onto each scene's grid; where they overlap, the last one in the file counts.

    Raises:
        DataRefused: no such file, layer or attribute, no CRS, no polygon, or classes that the legend lacks.
    """

    def __init__(self, path: Path, config: ScenesConfig, meaning: Meaning) -> None:
        self._meaning = meaning
        self._crs, geometries, labels = _read(path, config)
        areal = [(shapely.MultiPolygon(list(polygons_of(shapely.make_valid(geometry)))), label)
                 for geometry, label in zip(geometries, labels, strict=True) if geometry is not None]  # fmt: skip
        areal = [(geometry, label) for geometry, label in areal if not geometry.is_empty]
        if not areal:
            raise DataRefused(f"{path.name}: expected polygons; it has {len(geometries)} feature(s), none with an area")
        without = sum(label is None for _, label in areal)
        if without:
            raise DataRefused(
                f"{path.name}: {without} of {len(areal)} polygons have no {config.attribute!r}; give them one, or take "
                "them out"
            )
        found = Counter(str(label) for _, label in areal)
        ids = {label: meaning.id_of(label) for label in found}
        unknown = {label: count for label, count in found.items() if ids[label] is None}
        if unknown:
            raise meaning.refusal(f"{path.name}: {config.attribute!r}", unknown, "polygons")
        self._polygons = [geometry for geometry, _ in areal]
        self._numbers = [number for _, label in areal if (number := ids[str(label)]) is not None]
        left_out = len(geometries) - len(areal)
        self.notes = (f"{path.name}: {left_out} feature(s) without an area left out",) if left_out else ()

    def on(self, scene: OwnScene) -> SceneTruth | None:
        """Burn the polygons onto a scene's grid; see `Truth`."""
        burned = BurnedPolygons(self._polygons, self._numbers, self._crs, scene.geobox)
        if not len(burned):
            return None
        return lambda row, col, height, width: burned.read(
            row, col, height, width, outside=self._meaning.outside
        ).astype(np.int64)

    def bounds_text(self) -> str:
        """Tell where the polygons lie; see `Truth`."""
        west, south, east, north = shapely.total_bounds(np.asarray(self._polygons, object))
        lon, lat = to_wgs84(self._crs.to_wkt()).transform([west, east, west, east], [south, south, north, north])
        return degrees_text(np.asarray(lon), np.asarray(lat))


def _read(path: Path, config: ScenesConfig) -> tuple[CRS, NDArray[np.object_], list[Any]]:
    """Read CRS, geometries and labels, None where a feature has none."""
    import pyogrio
    from pyogrio.errors import DataLayerError, DataSourceError

    try:
        layers = [str(name) for name in pyogrio.list_layers(path)[:, 0]]
        layer = config.layer or (layers[0] if len(layers) == 1 else "")
        if layer not in layers:
            raise DataRefused(f"{path.name}: name one of its layers in data.layer: {shorten(layers) or '(none)'}")
        meta, _, geometries, columns = pyogrio.raw.read(path, layer=layer)
    except (DataSourceError, DataLayerError, ValueError, RuntimeError) as err:
        raise DataRefused(f"{path.name}: expected an intact GeoJSON or GeoPackage: {err}") from err
    if not len(geometries):
        raise DataRefused(f"{path.name}: expected polygons; it has no feature")
    if not meta["crs"]:
        raise DataRefused(f"{path.name}: labels need a place on the earth, and have no CRS; assign one and save again")
    fields = [str(name) for name in meta["fields"]]
    if config.attribute not in fields:
        raise DataRefused(
            f"{path.name}: expected the class of each polygon in the attribute {config.attribute!r}; there is "
            f"{', '.join(fields) or 'no attribute'}: name it in data.attribute"
        )
    labels = [_label(value) for value in columns[fields.index(config.attribute)].tolist()]
    return CRS(meta["crs"]), np.asarray(shapely.from_wkb(geometries)), labels


def _label(value: Any) -> str | None:
    """Return an attribute as text, 3.0 as 3; None where it is empty."""
    if isinstance(value, float):
        return None if np.isnan(value) else f"{value:.0f}" if value.is_integer() else str(value)
    return None if value is None or str(value).strip() == "" else str(value).strip()
