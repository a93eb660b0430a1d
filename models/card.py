"""A model's card: everything that a job must know about a network without loading it. No torch here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.errors import CheckpointRefused

MASK_NODATA = 255


class LandClass(BaseModel):
    """One class of a legend."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[int, Field(ge=0, lt=MASK_NODATA)]
    name: str
    color: Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]


class Change(BaseModel):
    """The change that a model follows: a pixel that goes from class `before` to class `after`.

    Attributes:
        name: such as `burned`.
        before, after: ids of the classes.
        lasting: it never goes back within a series, so that masks only grow (`models.settling`); from class 0 to 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    before: int
    after: int
    lasting: bool = False


class Card(BaseModel):
    """What a network reads, what it writes, how it tiles, and how good it was measured to be.

    Attributes:
        name, version: together the id `name@version`, version counting from 1.
        family: the network's module in `models`, such as `recurrent_unet`.
        bands: roles that the network reads, in the order of its input channels.
        classes: the legend; ids 0..K-1 in the order of the network's output channels.
        change: the change that change_date follows.
        mean, std: per band, in reflectance; input is (reflectance - mean) / std.
        stride_px: blocks and windows are aligned to this.
        radius_px: pixels farther away than this never influence a pixel (measured by a gradient probe).
        tiling: `exact` (tiled = whole), `blend` (weighted overlap) or `instances` (merged by overlap).
        tile_px: edge of the tiles that the network sees where tiling is not exact; they lie on one global lattice, a
            tile every stride_px, and radius_px is how far a tile reaches beyond a block: tile_px - stride_px.
        res_m: smallest and largest pixel size that it was trained for.
        architecture: keyword arguments of the network's constructor.
        training: configuration and data that made it.
        scores: measured on data that it was not trained on, with the command that printed them.
        hashes: file name -> SHA-256 of the files beside the card.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    version: Annotated[int, Field(ge=1)]
    family: str
    title: str
    description: str
    licence: str = "Apache-2.0"
    bands: tuple[str, ...]
    classes: tuple[LandClass, ...]
    change: Change
    mean: tuple[float, ...]
    std: tuple[float, ...]
    stride_px: Annotated[int, Field(ge=1)]
    radius_px: Annotated[int, Field(ge=0)]
    tiling: Literal["exact", "blend", "instances"]
    tile_px: Annotated[int, Field(ge=1)] | None = None
    res_m: tuple[float, float]
    architecture: dict[str, Any]
    training: dict[str, Any]
    scores: dict[str, Any]
    hashes: dict[str, str]

    @model_validator(mode="after")
    def _consistent(self) -> Card:
        if [c.id for c in self.classes] != list(range(len(self.classes))):
            raise ValueError("class ids must be 0, 1, 2, ... in order")
        if not len(self.bands) == len(self.mean) == len(self.std):
            raise ValueError("bands, mean and std must have the same length")
        ids = {c.id for c in self.classes}
        if not {self.change.before, self.change.after} <= ids:
            raise ValueError("change.before and change.after must be classes of the legend")
        if self.change.lasting and (len(self.classes), self.change.before, self.change.after) != (2, 0, 1):
            raise ValueError("a lasting change goes from class 0 to class 1 of two")
        self._check_tiles()
        return self

    def _check_tiles(self) -> None:
        if self.tiling == "exact":
            if self.tile_px is not None:
                raise ValueError(f"a network that tiles exactly has no tile_px; got {self.tile_px}")
        elif self.tile_px is None or self.tile_px % self.stride_px or self.radius_px != self.tile_px - self.stride_px:
            raise ValueError(
                f"tiling {self.tiling!r} needs a tile_px that is a multiple of stride_px, and radius_px = tile_px - "
                f"stride_px; got tile_px {self.tile_px}, stride_px {self.stride_px}, radius_px {self.radius_px}"
            )

    @property
    def id(self) -> str:
        """Name and version, such as `burned-area@8`."""
        return f"{self.name}@{self.version}"

    @property
    def halo_px(self) -> int:
        """Context that a block reads around its core: the radius, rounded up to the stride."""
        return -(-self.radius_px // self.stride_px) * self.stride_px


def read_card(folder: Path) -> Card:
    """Read `card.json` from a checkpoint's folder.

    Raises:
        CheckpointRefused: the file is missing or is not a card.
    """
    path = folder / "card.json"
    try:
        return Card.model_validate_json(path.read_bytes())
    except FileNotFoundError as err:
        raise CheckpointRefused(f"{folder.name}: a checkpoint needs card.json; there is none") from err
    except ValidationError as err:
        raise CheckpointRefused(f"{folder.name}/card.json is not a card: {err}") from err
