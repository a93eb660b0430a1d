"""The [data] tables of series in files, for the Recurrent U-Net, and of fires seen on one date, for static networks.

No torch here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from pydantic import ConfigDict

from geo.bands import PLANETSCOPE_4
from models.training.refusing import require

FORBID = ConfigDict(extra="forbid")

PASTIS_BANDS = (
    "blue", "green", "red", "rededge", "rededge2", "rededge3", "nir", "nir08", "swir16", "swir22",
)  # fmt: skip
"""Sentinel-2's B2 B3 B4 B5 B6 B7 B8 B8A B11 B12, in the order of the files."""

PASTIS_FOLDS = range(1, 6)
DAYS_OF_A_MONTH = range(1, 29)


@dataclass(frozen=True)
class PastisConfig:
    """PASTIS: series of Sentinel-2 patches with one map of crops each, in the folder as published.

    Attributes:
        folder: of `metadata.geojson`, `DATA_S2` and `ANNOTATIONS`; not written to the card.
        bands: of the ten, those that the network reads (`PASTIS_BANDS`).
        labels: label -> class id; empty = labels 0..18 are the class ids. Label 19 (void) counts nowhere.
        void: further labels that count nowhere.
        train_folds, held_out_folds: of the five; the authors keep neighbouring patches in one fold.
        scored: held-out series that are scored while training, evenly drawn; 0 = all.
        chip_px: edge of a chip.
        dates_per_step: dates in a batch, over all its chips.
        dates: lengths that a series may have; each step draws one, and each chip dates of its series at random.
    """

    __pydantic_config__: ClassVar[ConfigDict] = FORBID

    kind: Literal["pastis"]
    folder: str
    bands: tuple[str, ...] = PLANETSCOPE_4
    labels: dict[int, int] = field(default_factory=dict)
    void: tuple[int, ...] = ()
    train_folds: tuple[int, ...] = (1, 2, 3)
    held_out_folds: tuple[int, ...] = (4,)
    scored: int = 16
    chip_px: int = 128
    dates_per_step: int = 32
    dates: tuple[int, ...] = (8, 16)

    def __post_init__(self) -> None:
        _check_series(self.chip_px, self.dates, self.dates_per_step, self.scored)
        known = bool(self.bands) and set(self.bands) <= set(PASTIS_BANDS) and len(set(self.bands)) == len(self.bands)
        require(known, "data.bands", f"one or more of {', '.join(PASTIS_BANDS)}", self.bands)
        for key, folds in (("train_folds", self.train_folds), ("held_out_folds", self.held_out_folds)):
            require(bool(folds) and set(folds) <= set(PASTIS_FOLDS), f"data.{key}", "one or more of 1..5", folds)
        shared = set(self.train_folds) & set(self.held_out_folds)
        require(not shared, "data.held_out_folds", "folds that are not in train_folds", self.held_out_folds)
        require(not set(self.void) & set(self.labels), "data.void", "labels that are not in labels", self.void)

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of the bands, in the order of the network's input."""
        return self.bands


@dataclass(frozen=True)
class DynamicEarthNetConfig:
    """DynamicEarthNet: daily Planet Fusion cubes with a map of land cover per month, in the folders as published.

    Attributes:
        folder: of `planet`, `labels` and `dynnet_training_splits`; not written to the card.
        days: days of each month that are read; each has the truth of its month.
        held_out: the published list (`val` or `test`) of areas that are held out, or their names (`1311_3077_13`);
            names are held out of all labelled areas, a list from those of `train.txt`.
        scored, chip_px, dates_per_step, dates: as for PASTIS.
    """

    __pydantic_config__: ClassVar[ConfigDict] = FORBID

    kind: Literal["dynamic-earth-net"]
    folder: str
    days: tuple[int, ...] = (1,)
    held_out: Literal["val", "test"] | tuple[str, ...] = "val"
    scored: int = 4
    chip_px: int = 128
    dates_per_step: int = 24
    dates: tuple[int, ...] = (6, 12)

    def __post_init__(self) -> None:
        _check_series(self.chip_px, self.dates, self.dates_per_step, self.scored)
        require(bool(self.days) and set(self.days) <= set(DAYS_OF_A_MONTH), "data.days", "days of 1..28", self.days)
        require(bool(self.held_out), "data.held_out", "val, test, or names of areas", self.held_out)

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of the bands, in the order of the network's input: Planet Fusion's four."""
        return PLANETSCOPE_4


@dataclass(frozen=True)
class FiresConfig:
    """Fires, each a folder NAME_YYYYMMDD with `pre_fire.tif`, `post_fire.tif` and `mask.tif`.

    Attributes:
        folder: of the fires' folders; not written to the card.
        held_out: fires that are not learned from, by name or pattern (`66_*`).
        exclude: fires that are left out altogether.
        bands: roles, found by the files' band descriptions; files without them are left out, and a note says so.
        scale: reflectance = value x scale.
        chip_px, batch: edge of a chip, and chips in a step.
    """

    __pydantic_config__: ClassVar[ConfigDict] = FORBID

    folder: str
    held_out: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    bands: tuple[str, ...] = PLANETSCOPE_4
    scale: float = 1e-4
    chip_px: int = 128
    batch: int = 8

    def __post_init__(self) -> None:
        require(self.chip_px >= 32, "data.chip_px", "32 or more", self.chip_px)
        require(self.batch >= 1, "data.batch", "1 or more", self.batch)
        require(bool(self.held_out), "data.held_out", "names of fires, one or more", self.held_out)
        require(bool(self.bands), "data.bands", "one band or more", self.bands)
        require(self.scale > 0, "data.scale", "more than 0", self.scale)

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of the bands, in the order of the network's input."""
        return self.bands


@dataclass(frozen=True)
class WildfirePairsConfig(FiresConfig):
    """Fires as series of two dates, before and after."""

    kind: Literal["wildfire-pairs"] = "wildfire-pairs"

    @property
    def dates(self) -> tuple[int, ...]:
        """Lengths of the series."""
        return (2,)

    @property
    def dates_per_step(self) -> int:
        """Dates in a batch, over all its chips."""
        return 2 * self.batch


@dataclass(frozen=True)
class WildfireDatesConfig(FiresConfig):
    """Fires as single dates after them, for static networks; `pre_fire.tif` is not needed."""

    kind: Literal["wildfire-dates"] = "wildfire-dates"


SeriesTable = PastisConfig | DynamicEarthNetConfig | WildfirePairsConfig
"""Series in files."""

SIMULATED = "simulated"
SERIES_KINDS: dict[str, type[PastisConfig | DynamicEarthNetConfig | WildfirePairsConfig]] = {
    "pastis": PastisConfig,
    "dynamic-earth-net": DynamicEarthNetConfig,
    "wildfire-pairs": WildfirePairsConfig,
}


def _check_series(chip_px: int, dates: tuple[int, ...], dates_per_step: int, scored: int) -> None:
    require(chip_px >= 32, "data.chip_px", "32 or more", chip_px)
    require(bool(dates) and min(dates) >= 1, "data.dates", "lengths of 1 or more", dates)
    require(dates_per_step >= max(dates), "data.dates_per_step", "the longest series", dates_per_step)
    require(scored >= 0, "data.scored", "0 or more", scored)
