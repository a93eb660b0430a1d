"""Models as STAC Items, by the Machine Learning Model extension: what goes in and out, and the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import Request

from geo.bands import ROLES
from models.card import Card
from service.links import href
from workers.links import link

WEIGHTS = "weights.safetensors"
MLM = "https://stac-extensions.github.io/mlm/v1.4.0/schema.json"
COMMON = tuple(role for role in ROLES if role != "green05")
"""Our roles that are common names of the extension eo, too."""

_EVERYWHERE = [[-180.0, -90.0], [180.0, -90.0], [180.0, 90.0], [-180.0, 90.0], [-180.0, -90.0]]


def model_item(request: Request, card: Card, folder: Path) -> dict[str, Any]:
    """Return a model's Item; a model is of no place and no time, so its extent is all of both.

    Source: STAC extension Machine Learning Model 1.4.0.
    """
    from geo.item import EXTENSIONS

    here = href(request, f"/models/{card.id}")
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [MLM, *(EXTENSIONS[name] for name in ("classification", "file", "eo"))],
        "id": card.id,
        "geometry": {"type": "Polygon", "coordinates": [_EVERYWHERE]},
        "bbox": [-180.0, -90.0, 180.0, 90.0],
        "properties": {
            "title": card.title,
            "description": card.description,
            "license": card.licence,
            "datetime": None,
            "start_datetime": "1970-01-01T00:00:00Z",
            "end_datetime": "9999-12-31T23:59:59Z",
            **_model(card),
        },
        "assets": {"weights": _weights(f"{here}/{WEIGHTS}", card, folder)},
        "links": [
            link("self", f"{here}/item.json", "application/geo+json"),
            link("root", href(request, "/")),
            link("describedby", here, title="the card, with measured scores"),
        ],
    }


def _model(card: Card) -> dict[str, Any]:
    from workers.mask_items import class_entries

    time = ("time",) if card.family == "recurrent_unet" else ()
    task = "instance-segmentation" if card.tiling == "instances" else "semantic-segmentation"
    return {
        "mlm:name": card.name,
        "mlm:architecture": card.family,
        "mlm:tasks": [task],
        "mlm:framework": "PyTorch",
        "mlm:accelerator": "cuda",
        "mlm:accelerator_constrained": False,
        "mlm:hyperparameters": card.architecture,
        "mlm:input": [
            {
                "name": "reflectance",
                "bands": list(card.bands),
                "input": _structure(("batch", *time, "bands", "height", "width"), len(card.bands)),
                "value_scaling": [
                    {"type": "z-score", "mean": mean, "stddev": std}
                    for mean, std in zip(card.mean, card.std, strict=True)
                ],
                "resize_type": None,
            }
        ],
        "mlm:output": [
            {
                "name": "probabilities",
                "tasks": [task],
                "result": _structure(("batch", *time, "class", "height", "width"), len(card.classes)),
                "classification:classes": class_entries(card),
            }
        ],
    }


def _structure(axes: tuple[str, ...], channels: int) -> dict[str, Any]:
    shape = [channels if axis in ("bands", "class") else -1 for axis in axes]
    return {"shape": shape, "dim_order": list(axes), "data_type": "float32"}


def _weights(address: str, card: Card, folder: Path) -> dict[str, Any]:
    from geo.item import file_properties

    return {
        "href": address,
        "type": "application/octet-stream; application=safetensors",
        "title": "weights",
        "roles": ["mlm:model", "mlm:weights"],
        "mlm:artifact_type": "safetensors",
        "bands": [{"name": band, "eo:common_name": band} if band in COMMON else {"name": band} for band in card.bands],
        **file_properties((folder / WEIGHTS).stat().st_size, card.hashes[WEIGHTS]),
    }
