"""Training configuration: a TOML file, read into frozen values, refused with a reason."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from geo.simulator.spec import Theme
from models.errors import ConfigRefused
from models.training.themes import THEMES

NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
SHIPPED = Path(__file__).parent / "configs"


@dataclass(frozen=True)
class NetworkConfig:
    """The network to train.

    Attributes:
        widths: channels per level, finest first.
        memory: channels that each level remembers.
        mean, std: per band (blue, green, red, nir), in reflectance.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    widths: tuple[int, ...] = (16, 32, 48, 64)
    memory: tuple[int, ...] = (8, 32, 48, 64)
    mean: tuple[float, ...] = (0.06, 0.085, 0.10, 0.25)
    std: tuple[float, ...] = (0.04, 0.045, 0.06, 0.10)

    def __post_init__(self) -> None:
        _require(len(self.widths) >= 2 and min(self.widths) >= 1, "network.widths", "two or more widths", self.widths)
        _require(len(self.memory) == len(self.widths), "network.memory", "one width per level", self.memory)
        _require(len(self.mean) == len(self.std) == 4, "network.mean, std", "4 values each", (self.mean, self.std))
        _require(min(self.std) > 0, "network.std", "values above 0", self.std)


@dataclass(frozen=True)
class DataConfig:
    """Chips, simulated while training.

    Attributes:
        chip_px: edge of a chip, a multiple of the stride.
        dates_per_step: dates in a batch, over all its chips; long series come in small batches.
        dates: lengths that a series may have; each step draws one.
        max_cloud: largest mean share of cloud that a series may have.
        widen: 0..1, share of chips with radiometry beyond the simulator's defaults (haze, gain, offset).
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    chip_px: int = 128
    dates_per_step: int = 16
    dates: tuple[int, ...] = (2, 2, 3, 4, 5, 8, 10)
    max_cloud: float = 0.7
    widen: float = 0.4

    def __post_init__(self) -> None:
        _require(self.chip_px >= 32, "data.chip_px", "32 or more", self.chip_px)
        _require(bool(self.dates) and min(self.dates) >= 1, "data.dates", "lengths of 1 or more", self.dates)
        _require(
            self.dates_per_step >= max(self.dates), "data.dates_per_step", "the longest series", self.dates_per_step
        )
        _require(
            0 <= self.max_cloud <= 1 and 0 <= self.widen <= 1, "data", "shares in 0..1", (self.max_cloud, self.widen)
        )


@dataclass(frozen=True)
class FitConfig:
    """How the weights are found.

    Attributes:
        steps: optimiser steps.
        peak_rate: largest learning rate of the one-cycle schedule.
        warmup: share of the steps in which the rate rises.
        weight_decay: of AdamW.
        clip_norm: largest norm of the gradient.
        average_decay: of the exponential moving average of the weights, which is what is shipped.
        dice_weight: of soft Dice beside cross-entropy.
        save_every: steps between two saves; a killed run goes on from the last.
        validate_every: steps between two scores on validation landscapes.
        threads: CPU threads; set explicitly, since sums depend on it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    steps: int = 2000
    peak_rate: float = 4e-3
    warmup: float = 0.1
    weight_decay: float = 1e-4
    clip_norm: float = 1.0
    average_decay: float = 0.995
    dice_weight: float = 0.5
    save_every: int = 100
    validate_every: int = 500
    threads: int = 1

    def __post_init__(self) -> None:
        _require(self.steps >= 1, "fit.steps", "1 or more", self.steps)
        _require(self.peak_rate > 0, "fit.peak_rate", "more than 0", self.peak_rate)
        _require(0 <= self.warmup < 1, "fit.warmup", "a share in 0..1", self.warmup)
        _require(0 <= self.average_decay < 1, "fit.average_decay", "0 or more, below 1", self.average_decay)
        _require(min(self.save_every, self.validate_every) >= 1, "fit.save_every, validate_every", "1 or more", 0)
        _require(self.threads >= 1, "fit.threads", "1 or more", self.threads)


@dataclass(frozen=True)
class TrainConfig:
    """A training run: what, on what, and how. Equal values give equal weights on one machine.

    Attributes:
        theme: `burned-area` or `tree-cover` (`models.training.themes`).
        name, version: of the checkpoint.
        seed: of weights, order and augmentation.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    theme: Theme
    name: str
    version: int = 1
    seed: int = 0
    network: NetworkConfig = field(default_factory=NetworkConfig)
    data: DataConfig = field(default_factory=DataConfig)
    fit: FitConfig = field(default_factory=FitConfig)

    def __post_init__(self) -> None:
        _require(self.theme in THEMES, "theme", f"one of {', '.join(THEMES)}", self.theme)
        _require(bool(NAME.fullmatch(self.name)), "name", "lower-case letters, digits and hyphens", self.name)
        _require(self.version >= 1, "version", "1 or more", self.version)
        stride = 2 ** (len(self.network.widths) - 1)
        _require(
            self.data.chip_px % stride == 0, "data.chip_px", f"a multiple of the stride {stride}", self.data.chip_px
        )


def read_config(path: Path) -> TrainConfig:
    """Read a training configuration from TOML: top-level keys and the tables [network], [data] and [fit].

    Raises:
        ConfigRefused: the file is missing, is not TOML, or holds an unknown key or an unusable value.
    """
    try:
        values = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as err:
        raise ConfigRefused(f"{path.name}: expected a TOML file: {err}") from err
    try:
        return TypeAdapter(TrainConfig).validate_python(values)
    except ConfigRefused as err:
        raise ConfigRefused(f"{path.name}: {err}") from err
    except ValidationError as err:
        first = err.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "unexpected_keyword_argument":
            raise ConfigRefused(
                f"{path.name}: unknown key {key}; see `models.training.config` for those known"
            ) from err
        raise ConfigRefused(f"{path.name}: {key}: {first['msg']}; got {first['input']!r}") from err


def shipped_config(theme: str) -> Path:
    """Path of the configuration that made a shipped checkpoint."""
    return SHIPPED / f"{theme}.toml"


def _require(holds: bool, key: str, expected: str, value: object) -> None:
    if not holds:
        raise ConfigRefused(f"{key}: expected {expected}; got {value!r}")
