"""Tiny runs of static networks that the tests of this folder share."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import from_origin

from models.card import Card
from models.recurrent_unet import RecurrentUNet
from models.training.config import TrainConfig
from models.training.data_config import DatesConfig, FolderConfig, NpzConfig
from models.training.fit_config import FitConfig
from models.training.series_config import WildfireDatesConfig
from models.training.static_config import StaticNetworkConfig
from tests.models.nets import MEAN, STD, make_card

DATES = DatesConfig(chip_px=32, batch=4, dates=2, looks=2)


def tiny(
    family: str = "fcn",
    *,
    options: dict[str, Any] | None = None,
    fit: FitConfig | None = None,
    data: DatesConfig | FolderConfig | NpzConfig | WildfireDatesConfig = DATES,
    **tables: Any,
) -> TrainConfig:
    """A configuration of the least network of a family on simulated dates, or on other data."""
    return TrainConfig(
        theme="burned-area",
        name="tiny",
        network=StaticNetworkConfig(family=family, options={"width": 0.05, **(options or {})}),  # type: ignore[arg-type] # a test may ask for another
        data=data,
        fit=fit or FitConfig(steps=4, save_every=2, validate_every=100),
        **tables,
    )


def any_card() -> Card:
    """A card with the bands and classes of `tiny`, for the record of a run."""
    card = make_card(RecurrentUNet(mean=MEAN, std=STD, widths=(4, 4, 4, 4), memory=(4, 4, 4, 4)))
    return card.model_copy(update={"change": card.change.model_copy(update={"lasting": False})})


def write_raster(
    path: Path,
    values: np.ndarray[Any, Any],
    *,
    descriptions: tuple[str, ...] = (),
    west: float = 0.0,
    nodata: float | None = None,
    placed: bool = True,
) -> None:
    """Write (C, H, W) values in pixels of 10 m, `west` metres from where others begin, or nowhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    place = {"crs": CRS.from_epsg(32618), "transform": from_origin(500_000 + west, 0, 10, 10)} if placed else {}
    count, height, width = values.shape
    kind = {".png": "PNG"}.get(path.suffix, "GTiff")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver=kind, width=width, height=height, count=count, dtype=values.dtype, nodata=nodata, **place
        ) as out:
            out.write(values)
            for number, text in enumerate(descriptions, start=1):
                out.set_band_description(number, text)
