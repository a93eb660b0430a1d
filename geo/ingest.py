"""Ingest: a file that someone sent becomes a scene, or is refused and leaves nothing behind."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import rasterio
from odc.geo.geobox import GeoBox

from geo.archive import unpack
from geo.bundle import Bundle, bundle_of, find_bundles
from geo.cog import write_cog
from geo.errors import SceneRejected
from geo.facts import Facts, choose_bands, choose_scaling, gather_facts
from geo.footprint import valid_footprint
from geo.item import scene_item, with_files
from geo.normalise import Plain, make_north_up, normalise
from geo.raster import ENVIRONMENT, MAX_PX, open_raster, refuse_read_errors
from geo.scene import Scene
from geo.signature import is_zip
from geo.udm import lay_over


@dataclass(frozen=True)
class IngestOptions:
    """What the caller knows beyond the files.

    Attributes:
        scene_id: id of the scene.
        udm2: Planet's mask, where it does not lie beside the image.
        metadata: Planet's JSON or XML, likewise.
        acquired: time of acquisition; UTC where it has no time zone.
        bands: role -> band number, from 1.
        scale: reflectance = number x scale.
        max_px: largest width x height that is accepted.
    """

    scene_id: str
    udm2: Path | None = None
    metadata: Path | None = None
    acquired: datetime | None = None
    bands: Mapping[str, int] | None = None
    scale: float | None = None
    max_px: int = MAX_PX


def ingest(source: Path, out_dir: Path, options: IngestOptions) -> Scene:
    """Turn a file into a scene: reflectance.tif, clear.tif and item.json in `out_dir`.

    Everything is written aside and moved at the end: either all of it is there, or nothing. Memory does not depend on
    the image's size. The same input gives the same bytes.

    Args:
        source: a GeoTIFF (mask and metadata beside it are found by name), a zip of Planet's, or a folder; one scene.
        out_dir: where to put the scene; made if it is missing.
        options: what the caller knows.

    Raises:
        SceneRejected: with what was expected, what came, and what to do.
    """
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".ingest-", dir=out_dir.parent) as work:
        unpacked, made = Path(work, "unpacked"), Path(work, "scene")
        bundles = _bundles(source, unpacked)
        if len(bundles) > 1:
            names = ", ".join(bundle.name for bundle in bundles[:8])
            raise SceneRejected(f"{source.name} holds {len(bundles)} scenes ({names}); send each as its own scene")
        made.mkdir()
        scene = _make_scene(_with_options(bundles[0], options), made, Path(work), options)
        _publish(made, out_dir)
    return replace(scene, reflectance=str(out_dir / "reflectance.tif"), clear=str(out_dir / "clear.tif"))


def split_source(source: Path, work_dir: Path, options: IngestOptions) -> list[tuple[Path, IngestOptions]]:
    """Split a zip or a folder into scenes that `ingest` takes one by one; a single image is returned as it is.

    Args:
        source: as for `ingest`.
        work_dir: an existing, empty folder that must live until the scenes are ingested.
        options: as for `ingest`; with several scenes, Planet's item ids are appended to `scene_id`.

    Raises:
        SceneRejected: the archive is not safe, or holds no image.
    """
    bundles = _bundles(source, work_dir / "unpacked")
    if len(bundles) == 1 and bundles[0].image == source:
        return [(source, options)]
    several = len(bundles) > 1
    return [
        (
            bundle.image,
            replace(
                _and_parts(options, bundle),
                scene_id=f"{options.scene_id}-{bundle.name}" if several else options.scene_id,
            ),
        )
        for bundle in bundles
    ]


def _and_parts(options: IngestOptions, bundle: Bundle) -> IngestOptions:
    """Name the parts of a bundle that `ingest` would not find beside the image by itself."""
    beside = bundle_of(bundle.image)
    udm2, metadata = options.udm2, options.metadata
    if udm2 is None and bundle.udm2 != beside.udm2:
        udm2 = bundle.udm2
    if metadata is None and bundle.metadata_xml != beside.metadata_xml:
        metadata = bundle.metadata_xml
    elif metadata is None and bundle.metadata_json != beside.metadata_json:
        metadata = bundle.metadata_json
    return replace(options, udm2=udm2, metadata=metadata)


def _bundles(source: Path, unpack_into: Path) -> list[Bundle]:
    if source.is_dir():
        bundles = find_bundles(path for path in source.rglob("*") if path.is_file())
        if not bundles:
            raise SceneRejected(f"{source.name} holds no image; expected a GeoTIFF, as *_3B_AnalyticMS_SR.tif")
        return bundles
    if is_zip(source):
        unpack_into.mkdir()
        return unpack(source, unpack_into)
    return [bundle_of(source)]


def _with_options(bundle: Bundle, options: IngestOptions) -> Bundle:
    """Let the caller's files stand for those found by name."""
    if options.udm2 is not None:
        bundle = replace(bundle, udm2=options.udm2)
    if options.metadata is not None:
        # `read_metadata` tells JSON from XML by itself; the caller's file is asked first.
        bundle = replace(bundle, metadata_json=options.metadata)
    return bundle


def _make_scene(bundle: Bundle, made: Path, work: Path, options: IngestOptions) -> Scene:
    """Write the scene's three files to `made`; its paths are relative to there."""
    plain = Plain(work / "reflectance.tif", work / "clear.tif")
    facts, roles, notes = _rewrite(bundle, plain, options)
    with rasterio.Env(**ENVIRONMENT):
        upright = make_north_up(plain, Plain(work / "reflectance-upright.tif", work / "clear-upright.tif"))
        write_cog(upright.reflectance, made / "reflectance.tif", overviews="average", predictor=True)
        write_cog(upright.clear, made / "clear.tif", overviews="mode")
        with rasterio.open(made / "reflectance.tif") as dataset:
            geobox = GeoBox(dataset.shape, dataset.transform, dataset.crs.to_wkt())
        footprint = valid_footprint(str(made / "reflectance.tif"))
    scene = Scene(
        id=options.scene_id,
        acquired=facts.acquired,
        satellite=facts.metadata.satellite,
        bands=roles,
        reflectance="reflectance.tif",
        clear="clear.tif",
        geobox=geobox,
        footprint=footprint,
    )
    described = scene_item(scene, facts.metadata, {**notes, "chronoseg:resampled": upright is not plain})
    item = with_files(described, made)
    (made / "item.json").write_text(json.dumps(item, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return scene


def _rewrite(bundle: Bundle, into: Plain, options: IngestOptions) -> tuple[Facts, tuple[str, ...], dict[str, Any]]:
    """Rewrite the image on its own grid; return what is known about it, its roles, and notes for the item."""
    with ExitStack() as stack:
        image = stack.enter_context(open_raster(bundle.image, max_px=options.max_px))
        with refuse_read_errors(bundle.image):
            facts = gather_facts(bundle, image, options.acquired)
            roles, numbers = choose_bands(image, facts, options.bands)
            scaling = choose_scaling(image, facts, numbers, options.scale)
        mask = None
        if bundle.udm2 is not None:
            mask = lay_over(stack.enter_context(open_raster(bundle.udm2, max_px=options.max_px)), image)
        counts = normalise(image, roles, numbers, scaling, mask, into)
    scales = set(scaling.scales)
    notes = {
        "chronoseg:scale": scales.pop() if len(scales) == 1 else list(scaling.scales),
        "chronoseg:scale_source": scaling.source,
        "chronoseg:acquired_source": facts.acquired_source,
        "chronoseg:mask_source": "pixels with data" if mask is None else mask.kind,
        "chronoseg:valid_pct": round(100 * counts.valid / counts.total, 2),
        "chronoseg:clear_pct": round(100 * counts.clear / counts.valid, 2),
    }
    return facts, roles, notes


def _publish(made: Path, out_dir: Path) -> None:
    if not out_dir.exists():
        made.rename(out_dir)
        return
    # The item goes last: who sees it sees the rasters that it names.
    for name in ("reflectance.tif", "clear.tif", "item.json"):
        (made / name).replace(out_dir / name)
