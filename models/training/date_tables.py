"""The kinds of [data] tables that static networks learn from, by the name that a configuration calls them."""

from __future__ import annotations

from models.training.data_config import DatesConfig, FolderConfig, NpzConfig, PublishedConfig
from models.training.scenes_config import ScenesConfig
from models.training.series_config import WildfireDatesConfig

DateTable = DatesConfig | FolderConfig | NpzConfig | PublishedConfig | ScenesConfig | WildfireDatesConfig
"""Data sets of single dates."""

DATA_KINDS: dict[str, type[DateTable]] = {
    "dates": DatesConfig,
    "folder": FolderConfig,
    "npz": NpzConfig,
    "published": PublishedConfig,
    "scenes": ScenesConfig,
    "wildfire-dates": WildfireDatesConfig,
}
