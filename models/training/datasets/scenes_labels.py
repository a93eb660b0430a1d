"""What labels over one's own scenes mean, and opening them whatever they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.card import MASK_NODATA, LandClass
from models.errors import DataRefused
from models.training.datasets.paired import legend_text
from models.training.datasets.rasters import DRIVERS
from models.training.datasets.scenes_files import GEOTIFF, OwnScene, matching_files
from models.training.scenes_config import VOID, ScenesConfig

VECTORS = (".geojson", ".json", ".gpkg")

SceneTruth = Callable[[int, int, int, int], NDArray[np.int64]]
"""(row, col, height, width) -> class ids on a scene's grid, 255 where the truth is not known."""


class Truth(Protocol):
    """Labels of either kind."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user must know about them."""

    def on(self, scene: OwnScene) -> SceneTruth | None:
        """Put the labels on a scene's grid; None where they do not meet it."""

    def bounds_text(self) -> str:
        """Tell where the labels lie, for an error."""


@dataclass(frozen=True)
class Meaning:
    """From labels to class ids.

    Attributes:
        classes: the legend.
        named: label -> id, 255 for those that count nowhere.
        strict: True where labels that are not `named` mean nothing, though they be a class's name.
        outside: id of what no label covers, or 255.
    """

    classes: tuple[LandClass, ...]
    named: Mapping[str, int]
    strict: bool
    outside: int

    def id_of(self, label: str) -> int | None:
        """Return the class id of a label; None where it means nothing."""
        known = self.named.get(label)
        if known is not None or self.strict:
            return known
        for one in self.classes:
            if label.casefold() == one.name.casefold() or label == str(one.id):
                return one.id
        return None

    def refusal(self, where: str, unknown: Mapping[str, int], of: str) -> DataRefused:
        """Say which labels mean nothing."""
        told = ", ".join(f"{label!r} ({count} {of})" for label, count in list(unknown.items())[:4])
        return DataRefused(
            f"{where} holds {told}, which the legend ({legend_text(self.classes)}) lacks; say which class it is "
            f'(data.classes = {{"{next(iter(unknown))}" = "{self.classes[0].name}"}}; then all labels must be there), '
            f'or that it does not count (data.void = ["{next(iter(unknown))}"])'
        )


def meaning_of(config: ScenesConfig, classes: Sequence[LandClass]) -> Meaning:
    """Read what the configuration says of labels.

    Raises:
        DataRefused: it names a class that the legend lacks.
    """
    ids = {one.name: one.id for one in classes} | {VOID: MASK_NODATA}
    for key, names in (("classes", set(config.classes.values())), ("outside", {config.outside})):
        stray = sorted(names - set(ids))
        if stray:
            raise DataRefused(f"data.{key}: expected names of the legend ({legend_text(classes)}); got {stray[0]!r}")
    named = {label: ids[name] for label, name in config.classes.items()}
    named |= {str(label): MASK_NODATA for label in config.void}
    return Meaning(tuple(classes), named, bool(config.classes), ids[config.outside])


def find_labels(config: ScenesConfig) -> list[Path]:
    """Find the label files: one of polygons, or one raster or more.

    Raises:
        DataRefused: there is none, or they are of another kind.
    """
    if not config.labels:
        raise DataRefused("no labels: give --labels with a GeoJSON, a GeoPackage or a raster, or [data] labels")
    files = matching_files(config.labels, GEOTIFF)
    if not files:
        raise DataRefused(f"--labels {config.labels}: expected a GeoJSON, a GeoPackage or a raster; no file matches")
    odd = [path for path in files if path.suffix.lower() not in (*VECTORS, *DRIVERS)]
    if odd or (len(files) > 1 and any(path.suffix.lower() in VECTORS for path in files)):
        raise DataRefused(
            f"--labels {config.labels}: expected one file of polygons ({', '.join(VECTORS)}), or rasters (.tif); got "
            f"{', '.join(path.name for path in (odd or files)[:4])}"
        )
    return files


def open_truth(config: ScenesConfig, meaning: Meaning, files: Sequence[Path]) -> Truth:
    """Open labels of either kind.

    Raises:
        DataRefused: they cannot be read, or mean nothing.
    """
    if files[0].suffix.lower() in VECTORS:
        from models.training.datasets.scenes_polygons import PolygonTruth

        return PolygonTruth(files[0], config, meaning)
    from models.training.datasets.scenes_rasters import RasterTruth

    return RasterTruth(files, meaning)
