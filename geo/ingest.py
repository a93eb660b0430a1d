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
from geo.facts import choose_bands, choose_scaling, gather_facts
from geo.footprint import valid_footprint
from geo.item import scene_item
from geo.normalise import Plain, make_north_up, normalise
from geo.raster import ENVIRONMENT, MAX_PX, open_raster
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
    parts = []
    for bundle in bundles:
        scene_id = options.scene_id if len(bundles) == 1 else f"{options.scene_id}-{bundle.name}"
        beside = bundle_of(bundle.image)
        parts.append(
            (
                bundle.image,
                replace(
                    options,
                    scene_id=scene_id,
                    udm2=options.udm2 or (None if beside.udm2 else bundle.udm2),
                    metadata=options.metadata
                    or (
                        None
                        if beside.metadata_xml or beside.metadata_json
                        else bundle.metadata_xml or bundle.metadata_json
                    ),
                ),
            )
        )
    return parts


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
    with ExitStack() as stack:
        image = stack.enter_context(open_raster(bundle.image, max_px=options.max_px))
        facts = gather_facts(bundle, image, options.acquired)
        roles, numbers = choose_bands(image, facts, options.bands)
        mask = None
        if bundle.udm2 is not None:
            mask = lay_over(stack.enter_context(open_raster(bundle.udm2, max_px=options.max_px)), image)
        scaling = choose_scaling(image, facts, numbers, options.scale)
        plain = Plain(work / "reflectance.tif", work / "clear.tif")
        counts = normalise(image, roles, numbers, scaling, mask, plain)
    with rasterio.Env(**ENVIRONMENT):
        upright = make_north_up(plain, Plain(work / "reflectance-upright.tif", work / "clear-upright.tif"))
        reflectance, clear = made / "reflectance.tif", made / "clear.tif"
        write_cog(upright.reflectance, reflectance, overviews="average", predictor=True)
        write_cog(upright.clear, clear, overviews="mode")
        with rasterio.open(reflectance) as dataset:
            geobox = GeoBox(dataset.shape, dataset.transform, dataset.crs.to_wkt())
        scene = Scene(
            id=options.scene_id,
            acquired=facts.acquired,
            satellite=facts.metadata.satellite,
            bands=roles,
            reflectance="reflectance.tif",
            clear="clear.tif",
            geobox=geobox,
            footprint=valid_footprint(str(reflectance)),
        )
    scales = sorted(set(scaling.scales))
    notes: dict[str, Any] = {
        "chronoseg:scale": scales[0] if len(scales) == 1 else list(scaling.scales),
        "chronoseg:scale_source": scaling.source,
        "chronoseg:acquired_source": facts.acquired_source,
        "chronoseg:mask_source": "pixels with data" if mask is None else mask.kind,
        "chronoseg:valid_pct": round(100 * counts.valid / counts.total, 2),
        "chronoseg:clear_pct": round(100 * counts.clear / counts.valid, 2),
        "chronoseg:resampled": upright is not plain,
    }
    item = scene_item(scene, facts.metadata, notes)
    (made / "item.json").write_text(json.dumps(item, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return scene


def _publish(made: Path, out_dir: Path) -> None:
    if not out_dir.exists():
        made.rename(out_dir)
        return
    # The item goes last: who sees it sees the rasters that it names.
    for name in ("reflectance.tif", "clear.tif", "item.json"):
        (made / name).replace(out_dir / name)
