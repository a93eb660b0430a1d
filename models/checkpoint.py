"""Writing a checkpoint (weights, ONNX step, card) and loading its network. Pickles are never written nor read."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import safetensors
import safetensors.torch

from models.card import Card
from models.checkpoint_files import STEP, WEIGHTS, read_checked
from models.errors import CheckpointRefused
from models.mask_rcnn.network import MaskRCNN
from models.networks import Network, build_network
from models.onnx_export import export_step


def save_checkpoint(folder: Path, net: Network, card: Card) -> Card:
    """Write card.json, weights.safetensors and step.onnx, aside and then renamed; a folder there is replaced.

    Mask R-CNN has no step.onnx.

    Args:
        folder: of the checkpoint; its parent is made where needed.
        net: a network that `card.architecture` builds; the same weights give the same bytes.
        card: its `hashes` are filled in here.

    Returns:
        The card as written.
    """
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    files = {WEIGHTS: safetensors.torch.save(weights)}
    if not isinstance(net, MaskRCNN):  # it chooses boxes by loops that ONNX cannot tell: torch runs it, on CPU too
        files[STEP] = export_step(net)
    card = card.model_copy(update={"hashes": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}})
    files["card.json"] = (card.model_dump_json(indent=2) + "\n").encode()
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, data in files.items():
            (aside / name).write_bytes(data)
        aside.chmod(0o755)
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
            os.replace(folder, old)  # noqa: PTH105 - onto an empty folder, which Path.rename leaves to the system
            shutil.rmtree(old)
        aside.rename(folder)
    except OSError:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return card


def load_network(folder: Path, card: Card) -> Network:
    """Build the card's network and load its weights, in eval mode.

    Raises:
        CheckpointRefused: a hash does not fit, or the weights do not fit the architecture.
    """
    net = build_network(card)
    data = read_checked(folder, card, WEIGHTS)
    try:
        net.load_state_dict(safetensors.torch.load(data))
    except (RuntimeError, safetensors.SafetensorError) as err:
        raise CheckpointRefused(f"{card.id}: {WEIGHTS} does not fit the card's architecture: {err}") from err
    net.eval()
    return net
