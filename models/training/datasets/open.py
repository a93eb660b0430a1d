"""Opening the data set that a configuration names."""

from __future__ import annotations

from models.training.config import DataConfig, TrainConfig
from models.training.data_config import FolderConfig, NpzConfig, PublishedConfig
from models.training.datasets.source import Source
from models.training.scenes_config import ScenesConfig
from models.training.series_config import SeriesTable, WildfireDatesConfig
from models.training.themes import Theme


def open_source(config: TrainConfig, about: Theme) -> Source:
    """Open a data set of single dates.

    Args:
        config: its `data` table is read, and for simulated dates its theme.
        about: the legend that the truth must fit.

    Raises:
        DataRefused: the files there cannot be learned from as they are.
    """
    data = config.data
    if isinstance(data, FolderConfig):
        from models.training.datasets.folder import FolderSource

        return FolderSource(data, about.classes)
    if isinstance(data, NpzConfig):
        from models.training.datasets.npz import NpzSource

        return NpzSource(data, about.classes)
    if isinstance(data, PublishedConfig):
        from models.training.datasets.published.source import PublishedSource

        return PublishedSource(data, about.classes)
    if isinstance(data, ScenesConfig):
        from models.training.datasets.scenes import ScenesSource

        return ScenesSource(data, about.classes)
    if isinstance(data, WildfireDatesConfig):
        from models.training.datasets.wildfire import WildfireDates

        return WildfireDates(data, about)
    if isinstance(data, DataConfig | SeriesTable) or config.theme is None:
        raise TypeError(f"expected a data set of single dates; got {data}")
    from models.training.datasets.simulated import SimulatedDates

    return SimulatedDates(config.theme, data)
