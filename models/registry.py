"""Finding checkpoints: the shipped ones and the user's own, by name or name@version. No torch here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from models.card import Card, read_card
from models.errors import ModelUnknown

SHIPPED = Path(__file__).parent / "checkpoints"


def list_models(folders: Sequence[Path] = ()) -> Iterator[tuple[Card, Path]]:
    """Yield every installed checkpoint as (card, folder): those in `folders` first, then the shipped ones."""
    for root in (*folders, SHIPPED):
        if root.is_dir():
            for path in sorted(root.glob("*/card.json")):
                yield read_card(path.parent), path.parent


def find_model(model_id: str, folders: Sequence[Path] = ()) -> tuple[Card, Path]:
    """Return card and folder of `name@version`, or of the newest version of `name`.

    Raises:
        ModelUnknown: nothing of that name; the message lists what there is.
    """
    known = list(list_models(folders))
    fitting = [(card, path) for card, path in known if model_id in (card.id, card.name)]
    if not fitting:
        names = ", ".join(sorted({card.id for card, _ in known})) or "none installed"
        raise ModelUnknown(f"no model {model_id!r}; there are: {names}")
    return max(fitting, key=lambda found: found[0].version)


def locate_model(model: str, folders: Sequence[Path] = ()) -> tuple[Card, Path]:
    """Return card and folder of what a user names: a checkpoint's folder, or as in `find_model`.

    Raises:
        CheckpointRefused: a folder of that name is there, and is no checkpoint.
        ModelUnknown: there is neither.
    """
    folder = Path(model).expanduser()
    if folder.is_dir() and ((folder / "card.json").exists() or len(folder.parts) > 1):
        return read_card(folder), folder
    return find_model(model, folders)
