"""The [data] table of networks that read single dates: simulated dates, and data sets in files of many kinds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import ConfigDict

from geo.bands import PLANETSCOPE_4
from models.training.datasets.published.layouts import LAYOUTS
from models.training.refusing import require
from models.training.static_config import LegendConfig


@dataclass(frozen=True, kw_only=True)
class ChipsConfig:
    """What all data sets of single dates have in common.

    Attributes:
        chip_px, batch: edge of a training chip, and chips in a step.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    chip_px: int = 128
    batch: int = 8

    def __post_init__(self) -> None:
        require(self.chip_px >= 32, "data.chip_px", "32 or more", self.chip_px)
        require(self.batch >= 1, "data.batch", "1 or more", self.batch)


@dataclass(frozen=True, kw_only=True)
class SplitConfig(ChipsConfig):
    """What all data sets in files have in common that do not come with a split.

    Attributes:
        held_out: share of the files (below 1) or number of files (1 or more) kept from training, drawn by `split_seed`.
    """

    held_out: float = 0.2
    split_seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.held_out > 0, "data.held_out", "a share in 0..1, or a number of files", self.held_out)


@dataclass(frozen=True, kw_only=True)
class FilesConfig(SplitConfig):
    """What all folders of one's own have in common.

    Attributes:
        folder: of the data, relative to where the command runs; not written to the card.
        res_m: smallest and largest pixel size, for the card.
    """

    folder: str
    res_m: tuple[float, float] = (3.0, 30.0)


@dataclass(frozen=True, kw_only=True)
class DatesConfig(ChipsConfig):
    """Single dates of simulated series.

    Attributes:
        dates: length of the series from which dates are taken.
        looks: dates that are taken from one series; a divisor of `batch`.
        max_cloud, widen: as for series.
    """

    kind: Literal["dates"] = "dates"
    dates: int = 4
    looks: int = 2
    max_cloud: float = 0.5
    widen: float = 0.4

    def __post_init__(self) -> None:
        super().__post_init__()
        require(1 <= self.looks <= self.dates, "data.looks", f"1..dates = {self.dates}", self.looks)
        require(self.batch % self.looks == 0, "data.looks", f"a divisor of batch = {self.batch}", self.looks)
        shares = (self.max_cloud, self.widen)
        require(min(shares) >= 0 and max(shares) <= 1, "data.max_cloud, widen", "shares in 0..1", shares)

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of the bands, in the order of the network's input."""
        return PLANETSCOPE_4


@dataclass(frozen=True, kw_only=True)
class FolderConfig(FilesConfig):
    """Images and masks in files that pair by name: GeoTIFF, or PNG and JPEG for pictures that lie nowhere.

    Attributes:
        images, masks: patterns under it; each * of `images` stands for the same text in `masks`.
        bands: roles, found by the files' band descriptions; or role -> band number, from 1.
        scale, offset: reflectance = value x scale + offset.
        labels: value in the masks -> class id; empty = the values are the class ids.
        void: values in the masks that count nowhere, neither in the loss nor in scores.
        exclude: names of files under `folder` (patterns) to leave out.
        unfit: what to do with an image without these bands: `refuse` the data set, or `skip` it and say so.
    """

    kind: Literal["folder"]
    images: str
    masks: str
    bands: tuple[str, ...] | dict[str, int] = ("blue", "green", "red", "nir")
    scale: float = 1e-4
    offset: float = 0.0
    labels: dict[int, int] = field(default_factory=dict)
    void: tuple[int, ...] = ()
    exclude: tuple[str, ...] = ()
    unfit: Literal["refuse", "skip"] = "refuse"

    def __post_init__(self) -> None:
        super().__post_init__()
        stars = self.images.count("*")
        require(stars >= 1, "data.images", "a pattern with *, such as images/*.tif", self.images)
        require(self.masks.count("*") == stars, "data.masks", f"as many * as images has, {stars}", self.masks)
        require("**" not in self.images + self.masks, "data.images, masks", "no **", (self.images, self.masks))
        relative = not (Path(self.images).is_absolute() or Path(self.masks).is_absolute())
        require(relative, "data.images, masks", "patterns under data.folder", (self.images, self.masks))
        require(bool(self.bands), "data.bands", "one band or more", self.bands)
        require(self.scale > 0, "data.scale", "more than 0", self.scale)
        require(not set(self.void) & set(self.labels), "data.void", "values that are not in labels", self.void)

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of the bands, in the order of the network's input."""
        return tuple(self.bands)


@dataclass(frozen=True, kw_only=True)
class NpzConfig(FilesConfig):
    """Chips in .npz files of one's own, with the arrays of `models.training.chips.Chip`.

    Attributes:
        files: pattern under it. Each file holds `reflectance` (C, H, W) or (T, C, H, W), `target` of the same dates
            and size (class ids; 255 counts nowhere), and, if not every pixel is usable, `clear`.
        bands: roles of the C bands.
    """

    kind: Literal["npz"]
    files: str = "*.npz"
    bands: tuple[str, ...] = ("blue", "green", "red", "nir")

    def __post_init__(self) -> None:
        super().__post_init__()
        require("*" in self.files, "data.files", "a pattern with *", self.files)

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of the bands, in the order of the network's input."""
        return self.bands


@dataclass(frozen=True, kw_only=True)
class PublishedConfig(SplitConfig):
    """A published data set in its own layout, with its own split where it has one, else drawn as for folders.

    Attributes:
        folder: of the data, relative to where the command runs; not written to the card.
        layout: name of the data set (`models.training.datasets.published.layouts`).
    """

    kind: Literal["published"]
    folder: str
    layout: str

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.layout in LAYOUTS, "data.layout", f"one of {', '.join(LAYOUTS)}", self.layout)

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of the bands, in the order of the network's input."""
        return LAYOUTS[self.layout].bands

    @property
    def legend(self) -> LegendConfig:
        """The data set's own legend."""
        layout = LAYOUTS[self.layout]
        names, colors = zip(*layout.classes, strict=True)
        return LegendConfig(title=layout.title, description=layout.description, classes=names, colors=colors)
