"""A scene as the API shows it while it is read, and its rasters."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from service.errors import AssetUnknown
from service.item_links import ITEM
from service.links import href
from workers.links import link
from workers.records import SceneRecord, SceneState, stamp


def scene_state(request: Request, scene: SceneRecord) -> dict[str, Any]:
    """Return a scene in short: id, state, and the reason where it was rejected."""
    here = href(request, f"/scenes/{scene.id}")
    body: dict[str, Any] = {"id": scene.id, "state": scene.state, "created": stamp(scene.created)}
    if scene.state == SceneState.REJECTED:
        body["reason"] = scene.reason
    if scene.state == SceneState.SPLIT:
        body["parts"] = [href(request, f"/scenes/{part}") for part in scene.parts or []]
    if scene.acquired is not None:
        body["acquired"] = stamp(scene.acquired)
    return {**body, "links": [link("self", here, ITEM if scene.state == SceneState.READY else "application/json")]}


def asset_of(scene: SceneRecord, name: str) -> dict[str, Any]:
    """Return the asset of a ready scene whose file has that name; its href is a key of the store.

    Raises:
        AssetUnknown: there is none.
    """
    assets = {file_name(asset): asset for asset in (scene.item or {}).get("assets", {}).values()}
    if name not in assets:
        raise AssetUnknown(f"scene {scene.id} has no asset {name!r}; there are: {', '.join(sorted(assets))}")
    found: dict[str, Any] = assets[name]
    return found


def file_name(asset: dict[str, Any]) -> str:
    """Return the last part of an asset's key."""
    return str(asset["href"]).rsplit("/", 1)[-1]
