"""Networks by family: from a card to a network, its weights not loaded yet."""

from __future__ import annotations

from models.card import Card
from models.errors import CheckpointRefused
from models.fcn import FCN
from models.mask_rcnn.network import MaskRCNN
from models.pspnet import PSPNet
from models.recurrent_unet import RecurrentUNet
from models.segnet import SegNet
from models.static import StaticNet, StaticStep
from models.unet import UNet

Network = RecurrentUNet | StaticNet | MaskRCNN
"""What a checkpoint holds."""

Stepping = RecurrentUNet | StaticStep
"""What runs date by date: `start`, `step` and `fold`, `bands` and `stride_px`."""

FAMILIES: dict[str, type[RecurrentUNet | FCN | PSPNet | UNet | SegNet | MaskRCNN]] = {
    "recurrent_unet": RecurrentUNet,
    "fcn": FCN,
    "pspnet": PSPNet,
    "unet": UNet,
    "segnet": SegNet,
    "mask_rcnn": MaskRCNN,
}


def build_network(card: Card) -> Network:
    """Build the network that a card describes.

    Raises:
        CheckpointRefused: the family is unknown, its constructor does not take `card.architecture`, or the network has
            other classes, another stride or tiling than the card says, or another kind of change.
    """
    if card.family not in FAMILIES:
        raise CheckpointRefused(f"{card.id}: expected a family of {', '.join(FAMILIES)}; the card says {card.family!r}")
    try:
        net: Network = FAMILIES[card.family](mean=card.mean, std=card.std, **card.architecture)
    except (TypeError, ValueError, KeyError) as err:
        raise CheckpointRefused(f"{card.id}: architecture {card.architecture} builds no network: {err}") from err
    fits = card.stride_px == net.stride_px if card.tiling == "exact" else card.stride_px % net.stride_px == 0
    if len(card.classes) != net.architecture["classes"] or not fits:
        raise CheckpointRefused(f"{card.id}: classes or stride_px of the card do not fit its architecture")
    if card.change.lasting != (isinstance(net, RecurrentUNet) and net.lasting):
        raise CheckpointRefused(
            f"{card.id}: change.lasting is {card.change.lasting}; it belongs to recurrent networks with the head "
            f"'filter', and to them only"
        )
    if isinstance(net, MaskRCNN) != (card.tiling == "instances"):
        raise CheckpointRefused(f"{card.id}: tiling {card.tiling!r} does not fit the family {card.family}")
    return net


def stepping(net: Network) -> Stepping:
    """Return a network as it runs over a series of dates, one at a time; it shares its weights.

    Raises:
        TypeError: it finds instances, and runs as it is.
    """
    if isinstance(net, MaskRCNN):
        raise TypeError("Mask R-CNN has no step; models.engines.instances runs it")
    return StaticStep(net) if isinstance(net, StaticNet) else net
