"""Tiny data sets of series in the layouts in which they are published."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from models.training.series_config import (
    DynamicEarthNetConfig,
    PastisConfig,
    WildfireDatesConfig,
    WildfirePairsConfig,
)
from models.training.static_config import LegendConfig
from models.training.themes import Theme, about
from tests.models.training.static_runs import write_raster

SENTINEL2 = ("B2", "B3", "B4", "B8", "B12")
TRUE_COLOUR = ("TCI_R", "TCI_G", "TCI_B", "B8", "B12")
FAR_M = 20_000.0
DATES = (20180917, 20181002, 20181101, 20190115, 20190203)

CROPS = about(None, LegendConfig(title="crops", classes=tuple(f"crop {number}" for number in range(19))))
COVERS = ("impervious", "agriculture", "forest", "wetlands", "soil", "water", "snow")


def covers(count: int) -> Theme:
    """The first land covers of DynamicEarthNet."""
    return about(None, LegendConfig(title="cover", classes=COVERS[:count]))


def write_pastis(folder: Path, folds: tuple[int, ...] = (1, 2, 3, 4, 5), side_px: int = 40) -> PastisConfig:
    """A patch per fold, of a few dates; the crop is (row + column) % 20, 19 meaning void."""
    features = []
    for number, fold in enumerate(folds):
        patch, dates = 10_000 + number, DATES[: 4 + number % 2]
        rng = np.random.default_rng(patch)
        image = rng.integers(1, 4000, (len(dates), 10, side_px, side_px)).astype(np.int16)
        rows, cols = np.indices((side_px, side_px))
        target = np.stack([(rows + cols) % 20, np.zeros_like(rows), np.zeros_like(rows)]).astype(np.uint8)
        for part, name, values in (("DATA_S2", "S2", image), ("ANNOTATIONS", "TARGET", target)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            np.save(folder / part / f"{name}_{patch}.npy", values)
        told = {"ID_PATCH": patch, "Fold": fold, "dates-S2": {str(n): date for n, date in enumerate(dates)}}
        features.append({"type": "Feature", "id": str(patch), "geometry": None, "properties": told})
    (folder / "metadata.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return PastisConfig("pastis", str(folder), chip_px=32, dates=(2, 4), dates_per_step=4)


def write_dynamic_earth_net(folder: Path, side_px: int = 40) -> DynamicEarthNetConfig:
    """Three areas of two months and two days; the land cover of a pixel is its column % 7, a month later (+ 1) % 7."""
    lists = {"train": ["1311_3077_13"], "val": ["2235_3403_13"], "test": ["1700_3100_13"]}
    zones = {"1311_3077_13": "10N", "2235_3403_13": "17N", "1700_3100_13": "13N"}
    cols = np.indices((side_px, side_px))[1]
    for name, areas in lists.items():
        lines = []
        for number, area in enumerate(areas):
            zone = zones[area]
            rng = np.random.default_rng(number)
            cube = folder / "planet" / zone / f"{zone}-120W-40N" / area / "PF-SR"
            apart = "-" if area == "2235_3403_13" else "_"  # as some folders and files of the published archive
            raster = f"{zone}-120W-40N-L3H-SR"
            labels = folder / "labels" / f"{area}{apart}{zone}" / "Labels" / "Raster" / raster
            for month in (1, 2):
                for day in (1, 15):
                    image = rng.integers(1, 4000, (4, side_px, side_px)).astype(np.uint16)
                    write_raster(cube / f"2018-{month:02}-{day:02}.tif", image)
                cover = (cols + month - 1) % 7
                label = np.stack([255 * (cover == one) for one in range(7)]).astype(np.uint8)
                written = labels / f"{raster}-2018{apart}{month:02}{apart}01.tif"
                write_raster(written, label)
                told = (cube.relative_to(folder), written.relative_to(folder))
                lines.append(f"/{told[0]} /{told[1]} 2018-{month:02}")
        path = folder / "dynnet_training_splits" / f"{name}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
    return DynamicEarthNetConfig("dynamic-earth-net", str(folder), chip_px=32, dates=(2,), dates_per_step=4)


def write_fire(
    folder: Path, name: str, place: float, *, pre: bool = True, bands: tuple[str, ...] = SENTINEL2, side_px: int = 37
) -> None:
    """A fire in the middle of the image, where it is dark afterwards; float64 as the published ones."""
    rng = np.random.default_rng(round(100 * place))
    mask = np.zeros((1, side_px, side_px), np.uint8)
    mask[:, 10:25, 10:25] = 1
    before = rng.integers(1500, 2500, (5, side_px, side_px)).astype(np.float64)
    for part, image in (("pre", before), ("post", np.where(mask == 1, before * 0.4, before))):
        if pre or part == "post":
            image[:, 0, :3] = np.nan
            write_raster(folder / name / f"{part}_fire.tif", image, descriptions=bands, west=place * FAR_M)
    write_raster(folder / name / "mask.tif", mask, west=place * FAR_M, descriptions=("mask",))


def write_fires(folder: Path, *, pre: bool = True) -> None:
    """Three fires, and one whose visible bands are 8-bit true colour."""
    for place, name in enumerate(("1-7_20200817", "66_20230515", "CLEAR_20240626")):
        write_fire(folder, name, place, pre=pre)
    write_fire(folder, "CREEK_20240726", 3, pre=pre, bands=TRUE_COLOUR)


def pairs(folder: Path, *held_out: str) -> WildfirePairsConfig:
    """Series of two dates over the fires of a folder."""
    return WildfirePairsConfig(str(folder), held_out or ("66_*",), chip_px=32, batch=2)


def dates(folder: Path, *held_out: str) -> WildfireDatesConfig:
    """Single dates after the fires of a folder."""
    return WildfireDatesConfig(str(folder), held_out or ("66_*",), chip_px=32, batch=2)
