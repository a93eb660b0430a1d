"""Networks by family: from a card to a network, its weights not loaded yet."""

from __future__ import annotations

from models.card import Card
from models.errors import CheckpointRefused
from models.recurrent_unet import RecurrentUNet


def build_network(card: Card) -> RecurrentUNet:
    """Build the network that a card describes.

    Raises:
        CheckpointRefused: the family is unknown, or its constructor does not take `card.architecture`.
    """
    if card.family != "recurrent_unet":
        raise CheckpointRefused(f"{card.id}: expected the family recurrent_unet; the card says {card.family!r}")
    try:
        net = RecurrentUNet(mean=card.mean, std=card.std, **card.architecture)
    except (TypeError, ValueError, KeyError) as err:
        raise CheckpointRefused(f"{card.id}: architecture {card.architecture} builds no network: {err}") from err
    if len(card.classes) != card.architecture.get("classes", 2) or net.stride_px != card.stride_px:
        raise CheckpointRefused(f"{card.id}: classes or stride_px of the card do not fit its architecture")
    return net
