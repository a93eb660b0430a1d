"""Cards of the installed models."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from models.card import Card
from models.registry import find_model, list_models
from service.context import Here
from service.files import PARTS, stored_file
from service.identity import owner_reading
from service.item_links import ITEM
from service.links import href
from service.media import GeoJson
from service.model_items import WEIGHTS, model_item
from workers.links import link
from workers.local_store import LocalStore

router = APIRouter(prefix="/models", tags=["models"], dependencies=[Depends(owner_reading)])


@router.get("", summary="Installed models")
def models(request: Request, here: Here) -> dict[str, Any]:
    """Return every model's card in short."""
    cards = [card for card, _ in list_models(here.settings.model_folders)]
    links = [link("self", href(request, "/models")), link("root", href(request, "/"))]
    return {"models": [_brief(request, card) for card in cards], "links": links}


@router.get("/{model_id}", summary="A model's card")
def model(model_id: str, request: Request, here: Here) -> dict[str, Any]:
    """Return the card of name@version, or of the newest version of a name."""
    card, _ = find_model(model_id, here.settings.model_folders)
    return {**card.model_dump(mode="json"), **_brief(request, card)}


@router.get("/{model_id}/item.json", summary="A model as a STAC Item", response_class=GeoJson)
def item(model_id: str, request: Request, here: Here) -> GeoJson:
    """Return what a model reads and writes, by STAC's Machine Learning Model extension."""
    card, folder = find_model(model_id, here.settings.model_folders)
    return GeoJson(model_item(request, card, folder))


@router.head(f"/{{model_id}}/{WEIGHTS}", include_in_schema=False)
@router.get(f"/{{model_id}}/{WEIGHTS}", summary="A model's weights", response_class=Response, responses=PARTS)
def weights(model_id: str, request: Request, here: Here) -> Response:
    """Return the weights as safetensors, or the range of them that was asked for."""
    card, folder = find_model(model_id, here.settings.model_folders)
    etag = f'"{card.hashes[WEIGHTS][:32]}"'
    store = LocalStore(folder, read_only=True)
    return stored_file(request, store, WEIGHTS, media_type="application/octet-stream", etag=etag)


def _brief(request: Request, card: Card) -> dict[str, Any]:
    return {
        "id": card.id,
        "title": card.title,
        "description": card.description,
        "bands": list(card.bands),
        "classes": [c.model_dump(mode="json") for c in card.classes],
        "change": card.change.model_dump(mode="json"),
        "scores": card.scores,
        "links": [
            link("self", href(request, f"/models/{card.id}")),
            link("alternate", href(request, f"/models/{card.id}/item.json"), ITEM, title="STAC Item, MLM extension"),
        ],
    }
