"""The transaction extension of STAC: Items whose files lie elsewhere become scenes; a scene's words may change.

An Item's measured facts (geometry, time, bands, files) come from its rasters and stay; its words may be rewritten.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.errors import InputsRefused
from service.references import Reference

WORDS = ("title", "description", "keywords", "license", "providers")
"""Properties that nobody measures; an Item may be given them, and lose them."""

_MARKS = {"image": ("image", "analytic", "data", "bundle"), "udm2": ("udm2", "udm", "data-mask", "cloud")}
_METADATA = ("metadata",)
_SHOWN_ONLY = ("links", "stac_version", "stac_extensions", "bbox", "geometry", "collection", "type", "assets")


class ItemBody(BaseModel):
    """A STAC Item, as far as it is read."""

    model_config = ConfigDict(extra="allow")

    type: Literal["Feature"]
    id: Annotated[str, Field(min_length=1, max_length=200)]
    properties: dict[str, Any]
    assets: Annotated[dict[str, dict[str, Any]], Field(min_length=1, max_length=50)]


def reference_of(item: ItemBody) -> Reference:
    """Return what an Item names: its image, clear mask and metadata, by the key or the role of its assets.

    Raises:
        InputsRefused: it names no image, or several.
        ValidationError: an address or an option is malformed.
    """
    image = _asset(item.assets, _MARKS["image"])
    if image is None:
        raise InputsRefused(
            "expected one asset `image` or with the role `data` that names a GeoTIFF or a zip; got "
            + ", ".join(sorted(item.assets))[:200]
        )
    found = {"image": image, "udm2": _asset(item.assets, _MARKS["udm2"]), "metadata": _asset(item.assets, _METADATA)}
    told = {role: asset.get("href") for role, asset in found.items() if asset is not None}
    return Reference.model_validate(
        {**told, "bands": _bands(image), "scale": _scale(image), "acquired": item.properties.get("datetime")}
    )


def reworded(item: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return an Item with its words changed as a JSON Merge Patch (RFC 7396) says.

    Raises:
        InputsRefused: the change concerns more than words.
    """
    if strange := sorted(set(change) - {"properties"}):
        raise InputsRefused(
            f"expected a change of properties; {', '.join(strange)[:200]} come from the scene's rasters"
        )
    properties, wanted = dict(item["properties"]), change.get("properties", {})
    if not isinstance(wanted, dict):
        raise InputsRefused("expected properties as an object")
    for name, value in wanted.items():
        if name not in WORDS and properties.get(name) != value:
            raise InputsRefused(f"{name[:100]!r} comes from the scene's rasters; what may change: {', '.join(WORDS)}")
        if name in WORDS:
            _check_word(name, value)
            properties[name] = value
    return {**item, "properties": {name: value for name, value in properties.items() if value is not None}}


def replaced(item: Mapping[str, Any], whole: Mapping[str, Any]) -> dict[str, Any]:
    """Return an Item with the words of another document of it; words that this one lacks go.

    Raises:
        InputsRefused: the document differs in more than words.
    """
    if whole.get("id", item["id"]) != item["id"]:
        raise InputsRefused(f"expected the id {item['id']!r}; an Item's id stays")
    properties = whole.get("properties")
    if not isinstance(properties, dict):
        raise InputsRefused("expected an Item with properties")
    given = {name: value for name, value in properties.items() if name not in ("created", "updated")}
    if lost := sorted(name for name in item["properties"] if name not in given and name not in (*WORDS, "updated")):
        raise InputsRefused(f"{', '.join(lost)[:200]} come from the scene's rasters and stay; send them as they are")
    rest = {name: value for name, value in whole.items() if name not in (*_SHOWN_ONLY, "id", "properties")}
    return reworded(item, {**rest, "properties": {**dict.fromkeys(WORDS), **given}})


def _asset(assets: Mapping[str, Mapping[str, Any]], marks: tuple[str, ...]) -> Mapping[str, Any] | None:
    """Return the asset with one of these names, or else the only one with such a role."""
    named = [assets[mark] for mark in marks if mark in assets]
    if named:
        return named[0]
    having = [asset for asset in assets.values() if set(_list(asset.get("roles"))) & set(marks)]
    return having[0] if len(having) == 1 else None


def _bands(image: Mapping[str, Any]) -> str | None:
    """Return `blue=1,...` where every band of the image tells its common name."""
    bands = _list(image.get("bands")) or _list(image.get("eo:bands"))
    dicts = [band if isinstance(band, dict) else {} for band in bands]
    names = [band.get("eo:common_name") or band.get("common_name") or band.get("name") for band in dicts]
    if not names or not all(isinstance(name, str) and name for name in names):
        return None
    return ",".join(f"{_role(str(name))}={number}" for number, name in enumerate(names, start=1))


def _role(name: str) -> str:
    return {"nir08": "nir"}.get(name.lower(), name.lower())


def _scale(image: Mapping[str, Any]) -> Any:
    bands = _list(image.get("bands")) or _list(image.get("raster:bands"))
    scales = {band.get("raster:scale", band.get("scale")) for band in bands if isinstance(band, dict)}
    return scales.pop() if len(scales) == 1 else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _check_word(name: str, value: Any) -> None:
    kind = list if name in ("keywords", "providers") else str
    if value is not None and not (isinstance(value, kind) and len(str(value)) <= 10_000):
        raise InputsRefused(f"expected {name} as a {'list' if kind is list else 'text'} of at most 10,000 characters")
