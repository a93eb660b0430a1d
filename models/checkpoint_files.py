"""A checkpoint's files, read only when their hashes fit the card. No torch here."""

from __future__ import annotations

import hashlib
from pathlib import Path

from models.card import Card
from models.errors import CheckpointRefused

WEIGHTS = "weights.safetensors"
STEP = "step.onnx"


def read_checked(folder: Path, card: Card, name: str) -> bytes:
    """Read a file of a checkpoint; what is returned is what was hashed.

    Only the files that a card names are ever read; safetensors and ONNX hold no code, pickles are never loaded.

    Raises:
        CheckpointRefused: the card has no hash for it, the file is missing, or it is not the file the card means.
    """
    expected = card.hashes.get(name)
    if expected is None:
        raise CheckpointRefused(f"{card.id}: its card has no hash for {name}; a file without one is never loaded")
    try:
        data = (folder / name).read_bytes()
    except FileNotFoundError as err:
        raise CheckpointRefused(f"{card.id}: {name} is missing; copy the whole checkpoint folder") from err
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise CheckpointRefused(
            f"{card.id}: {name} should have SHA-256 {expected[:12]}..., but has {found[:12]}...; "
            "it was changed or cut short: copy the checkpoint again"
        )
    return data
