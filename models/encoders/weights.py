"""Loading ImageNet weights into an encoder, from a local file with torchvision's names."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from models.encoders.encoder import Encoder
from models.errors import CheckpointRefused

CLASSIFIERS = ("fc.", "classifier.")
"""Names of torchvision's classification heads, which no encoder has."""

FIRST = {"conv1.weight", "features.0.weight", "features.0.0.weight"}
"""Names of the first convolution, by kind of encoder."""

RGB = {"red": 0, "green": 1, "blue": 2}


def load_imagenet(encoder: Encoder, path: Path, *, roles: Sequence[str] | None = None) -> None:
    """Load weights of a classifier that was trained on RGB images into `encoder`, of width 1.

    The first convolution is adapted to the bands. With `roles`, red, green and blue keep their own filters, and any
    other band gets the mean of the three; without, three bands are taken as red, green, blue, and any other number get
    the mean each. All are multiplied by 3 / bands, so that the sum over bands stays as large as it was trained.
    Everything else must fit in name and shape; the classifier is dropped by its name.

    Args:
        encoder: built by `build_encoder`; changed in place.
        path: `.safetensors`, or a torchvision `.pth` or `.pt`, which is read as tensors only: code in it never runs.
        roles: the bands' roles in order, such as blue, green, red, nir.

    Raises:
        CheckpointRefused: the file is missing or no such file, or does not fit the encoder.
    """
    if roles is not None and len(roles) != encoder.bands:
        raise CheckpointRefused(f"{path.name}: {len(roles)} roles ({', '.join(roles)}) for {encoder.bands} bands")
    weights = {name: value for name, value in _read(path).items() if not name.startswith(CLASSIFIERS)}
    first = next((name for name in encoder.state_dict() if name in FIRST), "")
    if first not in weights:
        raise CheckpointRefused(f"{path.name}: expected the first convolution as {first!r}, as torchvision names it")
    if weights[first].dim() != 4 or weights[first].shape[1] != len(RGB):
        raise CheckpointRefused(
            f"{path.name}: expected {first} to read 3 bands (RGB); its shape is {tuple(weights[first].shape)}"
        )
    weights[first] = _adapted(weights[first], encoder.bands, roles)
    try:
        encoder.load_state_dict(weights)
    except RuntimeError as err:
        raise CheckpointRefused(f"{path.name} does not fit the encoder (which needs width 1): {err}") from err


def _adapted(weight_O3HW: Tensor, bands: int, roles: Sequence[str] | None) -> Tensor:
    if roles is None and bands == len(RGB):
        return weight_O3HW
    mean = weight_O3HW.mean(dim=1)
    filters = [weight_O3HW[:, RGB[role]] if role in RGB else mean for role in roles or [""] * bands]
    return torch.stack(filters, dim=1) * (len(RGB) / bands)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        if path.suffix not in (".pth", ".pt"):
            raise CheckpointRefused(f"{path.name}: expected a .safetensors, .pth or .pt file")
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as err:
        raise CheckpointRefused(f"{path}: no such file; give the path of a local file with weights") from err
    except (safetensors.SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as err:
        raise CheckpointRefused(f"{path.name} cannot be read as tensors alone: {err}") from err
    if not isinstance(loaded, dict) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise CheckpointRefused(f"{path.name}: expected a state dict of tensors, as torchvision publishes it")
    return dict(loaded)
