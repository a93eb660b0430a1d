"""A scene as the API shows it: its state while it is read, its STAC Item once it is ready."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from service.links import href, link
from service.pages import stamp
from workers.records import SceneRecord, SceneState

ITEM = "application/geo+json"


def scene_state(request: Request, scene: SceneRecord) -> dict[str, Any]:
    """Return a scene in short: id, state, and the reason where it was rejected."""
    here = href(request, f"/scenes/{scene.id}")
    body: dict[str, Any] = {"id": scene.id, "state": scene.state, "created": stamp(scene.created)}
    if scene.state == SceneState.REJECTED:
        body["reason"] = scene.reason
    if scene.acquired is not None:
        body["acquired"] = stamp(scene.acquired)
    return {**body, "links": [link("self", here, ITEM if scene.state == SceneState.READY else "application/json")]}


def scene_item(request: Request, scene: SceneRecord) -> dict[str, Any]:
    """Return the STAC Item of a ready scene, with absolute addresses."""
    item = dict(scene.item or {})
    here = href(request, f"/scenes/{scene.id}")
    item["assets"] = {
        name: {**asset, "href": f"{here}/assets/{asset['href']}"} for name, asset in item.get("assets", {}).items()
    }
    item["links"] = [link("self", here, ITEM), link("root", href(request, "/"))]
    return item


def asset_types(scene: SceneRecord) -> dict[str, str]:
    """Return the media type of each of a ready scene's files, by file name."""
    assets = (scene.item or {}).get("assets", {})
    return {asset["href"]: asset.get("type", "application/octet-stream") for asset in assets.values()}
