"""Opening the series that a configuration names."""

from __future__ import annotations

from models.training.config import DataConfig, TrainConfig
from models.training.datasets.series import FileSeries, SeriesSource
from models.training.series_config import DynamicEarthNetConfig, PastisConfig, SeriesTable, WildfirePairsConfig
from models.training.themes import Theme


def open_series(config: TrainConfig, about: Theme) -> SeriesSource:
    """Open a data set of series.

    Args:
        config: its `data` table is read, and for simulated series its theme.
        about: the legend that the truth must fit.

    Raises:
        DataRefused: the files there cannot be learned from as they are.
    """
    data = config.data
    if isinstance(data, SeriesTable):
        return open_file_series(config, about)
    if not isinstance(data, DataConfig) or config.theme is None:
        raise TypeError(f"expected a data set of series; got {data}")
    from models.training.datasets.series_simulated import SimulatedSeries

    return SimulatedSeries(config.theme, data)


def open_file_series(config: TrainConfig, about: Theme) -> FileSeries:
    """Open a data set of series in files; see `open_series`."""
    data = config.data
    if isinstance(data, PastisConfig):
        from models.training.datasets.pastis import open_pastis

        return open_pastis(data, about)
    if isinstance(data, DynamicEarthNetConfig):
        from models.training.datasets.dynamic_earth_net import open_dynamic_earth_net

        return open_dynamic_earth_net(data, about)
    if isinstance(data, WildfirePairsConfig):
        from models.training.datasets.wildfire import open_wildfire_pairs

        return open_wildfire_pairs(data, about)
    raise TypeError(f"expected series in files; got {data}")
