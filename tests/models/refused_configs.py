"""What a configuration is refused for."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import ConfigRefused
from models.training.config import read_config


def reason_of(tmp_path: Path, text: str) -> str:
    """Write a configuration that must be refused, and return the reason, which names its file."""
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ConfigRefused, match=r"bad\.toml") as caught:
        read_config(path)
    return str(caught.value)
