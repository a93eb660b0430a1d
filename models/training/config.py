"""Training configuration: a TOML file, read into frozen values, refused with a reason."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from geo.simulator.spec import Theme
from models.errors import ConfigRefused
from models.training.augmentations.table import AugmentConfig
from models.training.data_config import DatesConfig, PublishedConfig
from models.training.date_tables import DATA_KINDS, DateTable
from models.training.fit_config import FitConfig
from models.training.refusing import require
from models.training.series_config import SERIES_KINDS, SIMULATED, FiresConfig, SeriesTable
from models.training.static_config import AdversarialConfig, LegendConfig, LossConfig, StaticNetworkConfig
from models.training.themes import THEMES
from models.training.written import LATER

NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
SHIPPED = Path(__file__).parent / "configs"

RECURRENT = "recurrent_unet"
RES_M = (3.0, 3.0, 3.0, 5.0, 10.0, 20.0, 30.0)
_SHARES = (
    "max_cloud", "widen", "years_apart", "late_start", "earlier_fires", "blurred", "ground_fires",
    "borrowed_clouds",
)  # fmt: skip
_OF_ONE_THEME = {
    "years_apart": ("tree-cover", "burned area is followed within one season"),
    "earlier_fires": ("burned-area", "trees are those of the first date"),
    "ground_fires": ("burned-area", "they leave the trees as they were"),
}
"""Of the shares, those that mean something for one theme alone, and why they are 0 for the other."""


@dataclass(frozen=True)
class NetworkConfig:
    """The Recurrent U-Net, which is what is trained where the table names no other `family`.

    Attributes:
        widths: channels per level, finest first.
        memory: channels that each level remembers.
        mean, std: per band of the data (simulated ones: blue, green, red, nir), in reflectance.
        unseen_clock: whether the network is told how long nobody saw a pixel before its first clear look.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    widths: tuple[int, ...] = (16, 32, 48, 64)
    memory: tuple[int, ...] = (8, 32, 48, 64)
    mean: tuple[float, ...] = (0.06, 0.085, 0.10, 0.25)
    std: tuple[float, ...] = (0.04, 0.045, 0.06, 0.10)
    unseen_clock: bool = field(default=False, metadata=LATER)

    def __post_init__(self) -> None:
        require(len(self.widths) >= 2 and min(self.widths) >= 1, "network.widths", "two or more widths", self.widths)
        require(len(self.memory) == len(self.widths), "network.memory", "one width per level", self.memory)
        both = (self.mean, self.std)
        require(len(self.mean) == len(self.std) >= 1, "network.mean, std", "one value each per band", both)
        require(min(self.std) > 0, "network.std", "values above 0", self.std)


@dataclass(frozen=True)
class DataConfig:
    """Simulated series, drawn while training.

    Attributes:
        chip_px: edge of a chip, a multiple of the stride.
        dates_per_step: dates in a batch, over all its chips; long series come in small batches.
        dates: lengths that a series may have; each step draws one.
        max_cloud: largest mean share of cloud that a series may have.
        widen: 0..1, share of chips with radiometry beyond the simulator's defaults (haze, gain, offset).
        hardest_of: series that are simulated for each one that is learned from, which is the one on which an index
            misleads most (`models.training.hard_series`); 1 = every series is learned from.
        years_apart: 0..1, share of tree-cover series whose looks lie months to years apart, in which trees grow again.
        late_start: 0..1, share of the series of which nobody saw the first dates, one or more.
        earlier_fires: 0..1, share of the burned-area series in which a fire burned before the first date, too.
        blurred: 0..1, share of the series whose images are as smooth as those resampled from coarser pixels.
        ground_fires: 0..1, share of the burned-area series in which fires pass under crowns that stay green.
        echoes: times that each series is shown, turned and hidden anew (`models.training.echoes`), where a device
            learns faster than cores simulate; 1 = once.
        res_m: edges of a pixel in metres of which each series has one; one that stands twice is drawn twice as often.
        borrowed_clouds: 0..1, share of what is shown more than once that is hidden under another series' clouds, too.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    chip_px: int = 128
    dates_per_step: int = 16
    dates: tuple[int, ...] = (2, 2, 3, 4, 5, 8, 10)
    max_cloud: float = 0.7
    widen: float = 0.4
    hardest_of: int = field(default=1, metadata=LATER)
    years_apart: float = field(default=0.0, metadata=LATER)
    late_start: float = field(default=0.0, metadata=LATER)
    earlier_fires: float = field(default=0.0, metadata=LATER)
    blurred: float = field(default=0.0, metadata=LATER)
    ground_fires: float = field(default=0.0, metadata=LATER)
    echoes: int = field(default=1, metadata=LATER)
    borrowed_clouds: float = field(default=0.0, metadata=LATER)
    res_m: tuple[float, ...] = field(default=RES_M, metadata=LATER)

    def __post_init__(self) -> None:
        require(self.hardest_of >= 1, "data.hardest_of", "1 or more", self.hardest_of)
        fits = bool(self.res_m) and min(self.res_m) >= min(RES_M) and max(self.res_m) <= max(RES_M)
        require(fits, "data.res_m", f"edges within {min(RES_M):g}..{max(RES_M):g} m", self.res_m)
        require(self.echoes >= 1, "data.echoes", "1 or more", self.echoes)
        alone = self.echoes == 1 and self.borrowed_clouds > 0
        require(not alone, "data.borrowed_clouds", "0, or data.echoes of 2 or more", self.borrowed_clouds)
        require(self.chip_px >= 32, "data.chip_px", "32 or more", self.chip_px)
        require(bool(self.dates) and min(self.dates) >= 1, "data.dates", "lengths of 1 or more", self.dates)
        require(
            self.dates_per_step >= max(self.dates), "data.dates_per_step", "the longest series", self.dates_per_step
        )
        shares = {key: getattr(self, key) for key in _SHARES}
        fits = min(shares.values()) >= 0 and max(shares.values()) <= 1
        require(fits, f"data.{', '.join(_SHARES)}", "shares in 0..1", tuple(shares.values()))


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A training run: what, on what, and how. Equal values give equal weights on one machine.

    Attributes:
        theme: `burned-area` or `tree-cover` (`models.training.themes`); None where `legend` says what the classes are.
        name, version: of the checkpoint.
        seed: of weights, order and augmentation.
        augment: what is done to chips in place of `models.training.augment`; an empty table does nothing.
        loss, adversarial: of static networks only.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    theme: Theme | None = None
    name: str
    version: int = 1
    seed: int = 0
    network: NetworkConfig | StaticNetworkConfig = field(default_factory=NetworkConfig)
    data: DataConfig | SeriesTable | DateTable = field(default_factory=DataConfig)
    fit: FitConfig = field(default_factory=FitConfig)
    augment: AugmentConfig | None = field(default=None, metadata=LATER)
    legend: LegendConfig | None = field(default=None, metadata=LATER)
    loss: LossConfig | None = field(default=None, metadata=LATER)
    adversarial: AdversarialConfig | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        require(bool(NAME.fullmatch(self.name)), "name", "lower-case letters, digits and hyphens", self.name)
        require(self.version >= 1, "version", "1 or more", self.version)
        if isinstance(self.data, FiresConfig):
            about_fires = self.theme in (None, "burned-area")
            require(about_fires, "theme", "burned-area, or a [legend]: the data are fires", self.theme)
        if isinstance(self.network, NetworkConfig):
            self._check_recurrent(self.network)
        else:
            self._check_static(self.network)

    def _check_recurrent(self, network: NetworkConfig) -> None:
        data = self.data
        require(isinstance(data, DataConfig | SeriesTable), "data.kind", f"series: {RECURRENT} learns from them", data)
        if isinstance(data, DataConfig):
            require(self.theme in THEMES, "theme", f"one of {', '.join(THEMES)}", self.theme)
            for key, (theme, why) in _OF_ONE_THEME.items():
                share = getattr(data, key)
                require(self.theme == theme or share == 0, f"data.{key}", f"0: {why}", share)
            require(self.legend is None, "legend", "no such table for simulated series", self.legend)
        require((self.theme is None) != (self.legend is None), "theme, legend", "one of the two", self.theme)
        for table in ("loss", "adversarial"):
            require(getattr(self, table) is None, table, f"no such table for {RECURRENT}", getattr(self, table))
        bands = len(data.roles) if isinstance(data, SeriesTable) else 4
        require(len(network.mean) == bands, "network.mean, std", f"{bands} values, one per band", network.mean)
        stride = 2 ** (len(network.widths) - 1)
        require(
            self.data.chip_px % stride == 0, "data.chip_px", f"a multiple of the stride {stride}", self.data.chip_px
        )

    def _check_static(self, network: StaticNetworkConfig) -> None:
        require((self.theme is None) != (self.legend is None), "theme, legend", "one of the two", self.theme)
        data = self.data
        single = not isinstance(data, DataConfig | SeriesTable)
        require(single, "data.kind", f"{', '.join(DATA_KINDS)} for a static network", "series")
        if isinstance(data, DatesConfig):
            require(self.theme is not None, "theme", f"one of {', '.join(THEMES)} for simulated dates", self.theme)
        bands = len(data.roles) if isinstance(data, DateTable) else 0
        require(len(network.mean) == bands, "network.mean, std", f"{bands} values, one per band", network.mean)
        if network.family == "mask_rcnn":
            require(self.loss is None, "loss", "no such table for mask_rcnn, which has its own", self.loss)
            require(self.adversarial is None, "adversarial", "no such table for mask_rcnn", self.adversarial)


def read_config(path: Path) -> TrainConfig:
    """Read a configuration.

    Raises:
        ConfigRefused: the file is no TOML, or a key is unknown, of another type or out of range.
    """
    try:
        values = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as err:
        raise ConfigRefused(f"{path.name}: expected a TOML file: {err}") from err
    try:
        config: TrainConfig = _validated(TrainConfig, values | _tables(values))
    except ConfigRefused as err:
        raise ConfigRefused(f"{path.name}: {err}") from err
    return config


def _tables(values: dict[str, Any]) -> dict[str, Any]:
    """Read the tables whose keys depend on the network's family and on the kind of data."""
    tables: dict[str, Any] = {}
    network = values.get("network")
    static = isinstance(network, dict) and network.get("family", RECURRENT) != RECURRENT
    if static and isinstance(network, dict):
        own = {field.name for field in dataclasses.fields(StaticNetworkConfig)} - {"options"}
        options = {key: value for key, value in network.items() if key not in own}
        fixed = {key: value for key, value in network.items() if key in own}
        tables["network"] = _validated(StaticNetworkConfig, fixed | {"options": options}, "network")
    elif isinstance(network, dict):
        tables["network"] = _validated(
            NetworkConfig, {key: value for key, value in network.items() if key != "family"}, "network"
        )
    data = values.get("data", {} if static else None)
    if isinstance(data, dict):
        tables["data"] = _data_table(data, static)
        if isinstance(tables["data"], PublishedConfig) and not {"theme", "legend"} & set(values):
            tables["legend"] = tables["data"].legend
    return tables


def _data_table(data: dict[str, Any], static: bool) -> Any:
    """Read the data's table; simulated series have no key `kind`, and may be called `simulated`."""
    kind = data.get("kind", "dates" if static else SIMULATED)
    kinds = DATA_KINDS if static else {SIMULATED: DataConfig, **SERIES_KINDS}
    require(kind in kinds, "data.kind", f"one of {', '.join(kinds)}", kind)
    table = {key: value for key, value in data.items() if key != "kind"} if kind == SIMULATED else data
    return _validated(kinds[kind], table, "data")


def _validated(kind: type[Any], values: Any, under: str = "") -> Any:
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as err:
        first = err.errors()[0]
        key = ".".join(str(part) for part in (*([under] if under else []), *first["loc"]))
        if first["type"] == "unexpected_keyword_argument":
            raise ConfigRefused(f"unknown key {key}; see `models.training.config` for those known") from err
        raise ConfigRefused(f"{key}: {first['msg']}; got {first['input']!r}") from err


def shipped_config(theme: str) -> Path:
    """Path of the configuration that made a shipped checkpoint."""
    return SHIPPED / f"{theme}.toml"
