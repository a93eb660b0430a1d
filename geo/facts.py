"""What is known about an image before its pixels are read: product, time, roles of bands, scale."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from geo import radiometry
from geo.bands import PLANETSCOPE_4, PLANETSCOPE_8, named_roles, require_roles, roles_from_descriptions
from geo.bundle import Bundle
from geo.errors import SceneRejected
from geo.metadata import Metadata, read_metadata
from geo.planetscope import IMAGES, Content, parse_name
from geo.radiometry import Scaling, find_valid
from geo.raster import alpha_bands, nodata_values, read_mask, read_pixels, read_windows
from geo.times import time_in_name, time_in_tag


@dataclass(frozen=True)
class Facts:
    """What name, metadata and header say.

    Attributes:
        metadata: JSON first, then XML, then the file's name.
        content: surface reflectance or radiance where the name or the header say so, else None.
        acquired: aware, UTC.
        acquired_source: where the time is from, in words.
    """

    metadata: Metadata
    content: Content | None
    acquired: datetime
    acquired_source: str


def gather_facts(bundle: Bundle, dataset: rasterio.DatasetReader, acquired: datetime | None) -> Facts:
    """Read metadata and name of an image.

    Args:
        bundle: the image's files.
        dataset: the open image.
        acquired: the caller's word; UTC where it has no time zone.

    Raises:
        SceneRejected: nobody knows the time, the file is a mask, or the files belong to different scenes.
    """
    planet = parse_name(bundle.image.name)
    if planet is not None and planet.content in (Content.UDM, Content.UDM2):
        raise SceneRejected(f"{bundle.image.name} is a mask; send it as udm2, together with its image")
    metadata = Metadata()
    for path in (bundle.metadata_json, bundle.metadata_xml):
        if path is not None:
            metadata = metadata.or_else(read_metadata(path))
    _check_belonging(bundle, metadata)
    if planet is not None:
        metadata = metadata.or_else(Metadata(satellite=planet.satellite, planetscope=True))
    content = planet.content if planet is not None and planet.content in IMAGES else None
    if content is None and "atmospheric_correction" in dataset.tags().get("TIFFTAG_IMAGEDESCRIPTION", ""):
        content = Content.SURFACE_REFLECTANCE
    time, source = _time(bundle.image, dataset, metadata, acquired)
    return Facts(metadata, content, time, source)


def choose_bands(
    dataset: rasterio.DatasetReader, facts: Facts, bands: Mapping[str, int] | None
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Tell the roles of an image's bands: by the caller, the bands' descriptions, the product, or their colours.

    Returns:
        roles and numbers (from 1) of the bands that are kept, in the file's order.

    Raises:
        BandsUnknown: blue, green, red or nir are missing, or a number does not fit.
    """
    chosen = dict(bands) if bands else roles_from_descriptions(dataset.descriptions)
    if chosen is None and facts.metadata.planetscope:
        spectral = [number for number in dataset.indexes if number not in alpha_bands(dataset)]
        layout = {4: PLANETSCOPE_4, 8: PLANETSCOPE_8}.get(len(spectral), ())
        chosen = dict(zip(layout, spectral, strict=False)) or None
    if chosen is None:
        chosen = named_roles([meaning.name for meaning in dataset.colorinterp])
    require_roles(chosen, dataset.count, Path(dataset.name).name)
    ordered = sorted(chosen.items(), key=lambda entry: entry[1])
    return tuple(role for role, _ in ordered), tuple(number for _, number in ordered)


def choose_scaling(
    dataset: rasterio.DatasetReader, facts: Facts, numbers: tuple[int, ...], scale: float | None
) -> Scaling:
    """Tell how numbers become reflectance: by the caller, the product, the file's tags, or a guess.

    Raises:
        SceneRejected: radiance without coefficients, a PlanetScope file of unknown kind, or odd values.
    """
    name = Path(dataset.name).name
    if scale is not None:
        return radiometry.from_caller(scale, len(numbers))
    if facts.metadata.planetscope and facts.content is Content.SURFACE_REFLECTANCE:
        return Scaling.uniform(1e-4, len(numbers), "PlanetScope surface reflectance")
    if facts.content is Content.RADIANCE:
        return radiometry.from_coefficients(facts.metadata.coefficients, numbers, name)
    tagged = radiometry.from_tags(
        tuple(dataset.scales[n - 1] for n in numbers), tuple(dataset.offsets[n - 1] for n in numbers)
    )
    if tagged is not None:
        return tagged
    if facts.metadata.planetscope:
        raise SceneRejected(
            f"{name} is PlanetScope, but nothing says whether it is surface reflectance or radiance; "
            "keep Planet's file name (*_3B_AnalyticMS_SR.tif), or give scale=0.0001 for surface reflectance"
        )
    dtype = np.result_type(*(np.dtype(dataset.dtypes[n - 1]) for n in numbers))
    return radiometry.guess(dtype, _samples(dataset, numbers), len(numbers))


def _samples(dataset: rasterio.DatasetReader, numbers: tuple[int, ...]) -> Iterator[NDArray[Any]]:
    """Yield valid numbers of the image, from the middle outwards."""
    windows = list(read_windows(dataset, len(numbers)))
    middle = len(windows) / 2
    nodata = nodata_values(dataset, numbers)
    for _, window in sorted(enumerate(windows), key=lambda entry: abs(entry[0] + 0.5 - middle)):
        values = read_pixels(dataset, numbers, window)
        valid = find_valid(values, nodata, read_mask(dataset, window, numbers))
        yield values[:, valid].ravel()


def _time(
    image: Path, dataset: rasterio.DatasetReader, metadata: Metadata, acquired: datetime | None
) -> tuple[datetime, str]:
    if acquired is not None:
        return acquired.replace(tzinfo=UTC) if acquired.tzinfo is None else acquired.astimezone(UTC), "caller"
    planet = parse_name(image.name)
    found: Iterable[tuple[datetime | None, str]] = (
        (metadata.acquired, "metadata"),
        (planet.acquired if planet else time_in_name(image.stem), "file name"),
        (time_in_tag(dataset.tags().get("TIFFTAG_DATETIME")), "TIFFTAG_DATETIME"),
    )
    for time, source in found:
        if time is not None:
            return time, source
    raise SceneRejected(
        f"nothing says when {image.name} was acquired; give the time (acquired=2020-07-27, or SCENE@2020-07-27 "
        "on the command line), send its metadata, or put YYYYMMDD into its name"
    )


def _check_belonging(bundle: Bundle, metadata: Metadata) -> None:
    """Refuse a mask or metadata of another scene; where a name says nothing, trust the caller."""
    planet = parse_name(bundle.image.name)
    if planet is None:
        return
    described = parse_name(metadata.item_id)
    mask = parse_name(bundle.udm2.name) if bundle.udm2 is not None else None
    for other, what in ((described, "metadata"), (mask, "mask")):
        if other is not None and other.item_id != planet.item_id:
            raise SceneRejected(
                f"{bundle.image.name} came with the {what} of {other.item_id}; send the {what} of {planet.item_id}"
            )
