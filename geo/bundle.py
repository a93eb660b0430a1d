"""Bundles: an image and the files that belong to it, grouped by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from geo.planetscope import IMAGES, Content, parse_name

_ENDINGS = (
    (re.compile(r"_udm2(_clip)?$", re.I), (".tif", ".tiff"), Content.UDM2),
    (re.compile(r"(_DN)?_udm(_clip)?$", re.I), (".tif", ".tiff"), Content.UDM),
    (re.compile(r"_metadata(_clip)?$", re.I), (".xml",), Content.XML),
    (re.compile(r"_metadata(_clip)?$", re.I), (".json",), Content.JSON),
)


@dataclass(frozen=True)
class Bundle:
    """The files of one scene.

    Attributes:
        image: the GeoTIFF with the bands.
        udm2: Planet's usable data mask, else the old unusable data mask, if any.
        metadata_xml, metadata_json: Planet's metadata, if any.
    """

    image: Path
    udm2: Path | None = None
    metadata_xml: Path | None = None
    metadata_json: Path | None = None

    @property
    def name(self) -> str:
        """Planet's id of the scene, or the image's name without its ending."""
        planet = parse_name(self.image.name)
        return planet.item_id if planet is not None else self.image.stem


def find_bundles(paths: Iterable[Path]) -> list[Bundle]:
    """Group files into scenes, in order of their names.

    PlanetScope files belong together by Planet's item id; others by the image's stem:
    `X.tif`, `X_udm2.tif`, `X_metadata.json`. Where a scene came as several products, surface reflectance goes
    before radiance and eight bands before four. Files that are neither (visual images, manifests) are left out.
    """
    groups: dict[str, dict[Content, list[Path]]] = {}
    for path in sorted(paths):
        key, content = _place(path)
        if content is not Content.OTHER:
            groups.setdefault(key, {}).setdefault(content, []).append(path)
    bundles = []
    for group in groups.values():
        images = [image for content in IMAGES for image in group.get(content, [])]
        if not images:
            continue
        image = min(images, key=_preference)
        bundles.append(
            Bundle(
                image,
                _first(group, Content.UDM2) or _first(group, Content.UDM),
                _matching(group, Content.XML, image),
                _first(group, Content.JSON),
            )
        )
    return sorted(bundles, key=lambda bundle: bundle.name)


def bundle_of(image: Path) -> Bundle:
    """Return an image with the masks and metadata that lie beside it and belong to it by name."""
    key, _ = _place(image)
    beside = (path for path in image.parent.iterdir() if path.is_file())
    others = [path for path in beside if _place(path)[0] == key and _place(path)[1] not in IMAGES]
    return next(iter(find_bundles([image, *others])), Bundle(image))


def _place(path: Path) -> tuple[str, Content]:
    """Tell the group that a file belongs to and what it holds."""
    planet = parse_name(path.name)
    if planet is not None:
        return planet.item_id, planet.content
    suffix = path.suffix.lower()
    for ending, suffixes, content in _ENDINGS:
        if suffix in suffixes and ending.search(path.stem):
            return ending.sub("", path.stem).lower(), content
    if suffix in (".tif", ".tiff"):
        # The name does not say what the numbers are: `geo.radiometry` decides.
        return path.stem.lower(), Content.SURFACE_REFLECTANCE
    return path.stem.lower(), Content.OTHER


def _preference(path: Path) -> tuple[bool, bool, str]:
    planet = parse_name(path.name)
    if planet is None:
        return False, False, path.name
    return planet.content is not Content.SURFACE_REFLECTANCE, not planet.eight_bands, path.name


def _first(group: dict[Content, list[Path]], content: Content) -> Path | None:
    return next(iter(group.get(content, [])), None)


def _matching(group: dict[Content, list[Path]], content: Content, image: Path) -> Path | None:
    """Take the metadata of the product with as many bands: four and eight have their own coefficients."""
    planet = parse_name(image.name)
    paths = group.get(content, [])
    same = [p for p in paths if (other := parse_name(p.name)) and planet and other.eight_bands == planet.eight_bands]
    return next(iter(same or paths), None)
