"""The two series of the demo: seeds that no training has seen, two overlapping scenes a date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geo.simulator.spec import Theme


@dataclass(frozen=True)
class Chapter:
    """One half of the demo.

    Attributes:
        theme: of the simulator; also the name of the model, and of the folder of results.
        seed: of the landscape.
        title: for people.
        followed: the class that is scored.
        change: name of the change since the first date, which is scored too, or "" where it is the class itself.
        landscape: what the simulated landscape is to have, so that there is change to see: fields of `SeriesSpec`.
        origin: x, y of its north-west corner in EPSG:32720; chapters lie apart, lest one sees the other's scenes.
    """

    theme: Theme
    seed: int
    title: str
    followed: str
    change: str = ""
    landscape: Mapping[str, Any] = field(default_factory=dict)
    origin: tuple[float, float] = (600_000.0, 8_360_000.0)


# Chosen by what is true on it, not by a score: the first seed from 20,001 whose fire is severe (severity above 0.5 on
# more than three quarters of the burned land), grows over at least three looks, and is at none smaller than a twentieth
# of the land. Ground fires under closed canopy hardly show in four bands: docs/decisions/002 says how many are found.
CHAPTERS = (
    Chapter(
        "burned-area", 20_005, "Burned area", "burned",
        landscape={"fire_chance": 1.0, "fire_regime": "slow", "biome": "mediterranean"},
    ),
    Chapter(
        "tree-cover", 20_002, "Tree cover", "trees", "tree loss",
        {"clearing_chance": 1.0, "biome": "rainforest"}, (640_000.0, 8_360_000.0),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class UploadFiles:
    """The files of one scene."""

    image: Path
    udm2: Path
    metadata: Path


@dataclass(frozen=True)
class Written:
    """A simulated series on disk.

    Attributes:
        scenes: to be uploaded, in order of time.
        truths: date as YYYYMMDD -> raster of the true classes, in order of time.
        aoi: area of interest, GeoJSON.
        period: of the series, as a job wants it.
    """

    scenes: tuple[UploadFiles, ...]
    truths: dict[str, Path]
    aoi: dict[str, Any]
    period: str


def write_series(chapter: Chapter, size: int, dates: int, folder: Path) -> Written:
    """Simulate a chapter's series and write it as Planet delivers it."""
    from geo.simulator.bundles import aoi_of, write_bundles, write_truth
    from geo.simulator.series import simulate
    from geo.simulator.spec import SeriesSpec

    spec = SeriesSpec(
        theme=chapter.theme,
        height=size,
        width=size,
        res_m=3.0,
        dates=dates,
        start=date(2020, 7, 1),
        gap_days=(6, 16),
        bands=4,
        cloud_fraction=0.1,
        cloud_spread=0.5,
        **chapter.landscape,
    )
    series = simulate(spec, chapter.seed)
    bundles = write_bundles(series, folder, origin=chapter.origin, scenes_per_date=2)
    written = write_truth(series, folder / "truth", origin=chapter.origin)
    truths = {path.stem.removeprefix("truth_"): path for path in written}
    truths.pop("change_date")
    return Written(
        scenes=tuple(UploadFiles(bundle.image, bundle.udm2, bundle.metadata_json) for bundle in bundles),
        truths=truths,
        aoi=aoi_of(series, origin=chapter.origin),
        period=f"{series.times[0]:%Y-%m-%d}/{series.times[-1]:%Y-%m-%d}",
    )
