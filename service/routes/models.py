"""Cards of the installed models."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request

from models.card import Card
from models.registry import find_model, list_models
from service.context import Here
from service.identity import owner_reading
from service.links import href, link

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


def _brief(request: Request, card: Card) -> dict[str, Any]:
    return {
        "id": card.id,
        "title": card.title,
        "description": card.description,
        "bands": list(card.bands),
        "classes": [c.model_dump(mode="json") for c in card.classes],
        "change": card.change.model_dump(mode="json"),
        "scores": card.scores,
        "links": [link("self", href(request, f"/models/{card.id}"))],
    }
