"""Commands that make data up: simulated series, and the demo that runs them through the service."""

from __future__ import annotations

import json
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Size = Annotated[int, typer.Option(min=64, max=20_000, help="Edge of the landscape in pixels.")]
Dates = Annotated[int, typer.Option(min=2, max=500, help="Number of looks.")]


class ThemeName(StrEnum):
    """Themes of the simulator."""

    BURNED_AREA = "burned-area"
    TREE_COVER = "tree-cover"


def simulate(
    out: Annotated[Path, typer.Argument(help="Folder for the bundles, truth/ and aoi.geojson.")],
    theme: Annotated[ThemeName, typer.Option(help="Which change to simulate.")] = ThemeName.BURNED_AREA,
    size: Size = 600,
    dates: Dates = 8,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another landscape.")] = 1,
    res_m: Annotated[float, typer.Option(min=0.5, max=100, help="Pixel size in metres.")] = 3.0,
    start: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Day of the first look.")] = datetime(
        2020, 6, 1
    ),
    bands: Annotated[int, typer.Option(help="4 or 8.")] = 4,
    cloud_fraction: Annotated[float, typer.Option(min=0, max=0.95, help="Mean share of cloud.")] = 0.25,
    scenes_per_date: Annotated[int, typer.Option(min=1, max=20, help="Overlapping scenes per look.")] = 2,
) -> None:
    """Write a simulated PlanetScope series: bundles, truth per date, and an area of interest."""
    from geo.simulator.bundles import aoi_of, write_bundles, write_truth
    from geo.simulator.series import simulate as make
    from geo.simulator.spec import SeriesSpec

    spec = SeriesSpec(
        theme=theme.value,
        height=size,
        width=size,
        res_m=res_m,
        dates=dates,
        start=start.date(),
        bands=bands,
        cloud_fraction=cloud_fraction,
    )
    series = make(spec, seed)
    written = write_bundles(series, out, scenes_per_date=scenes_per_date)
    truths = write_truth(series, out / "truth")
    (out / "aoi.geojson").write_text(json.dumps(aoi_of(series)))
    print(f"{len(written)} scenes of {dates} dates in {out}, {len(truths)} truth rasters in {out / 'truth'}")
    print(f"area of interest: {out / 'aoi.geojson'}; period: {spec.start}/{series.times[-1]:%Y-%m-%d}")


def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything that the demo makes.")] = Path("demo-output"),
    size: Size = 1500,
    dates: Dates = 10,
) -> None:
    """Simulate two series, run them through the service as a user would, and check the results against truth."""
    from rich.console import Console

    from service.demo.run import run_demo

    run_demo(out, size, dates, Console())
