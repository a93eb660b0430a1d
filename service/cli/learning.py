"""Commands about models: training, scoring, listing."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from geo.simulator.spec import Theme
    from models.card import Card, LandClass
    from models.engine import Engine
    from models.training.config import TrainConfig
    from models.training.scorecard import Scorecard


def train(
    config: Annotated[str, typer.Argument(help="TOML file, or the name of a shipped one: burned-area, unet, ...")],
    out: Annotated[Path, typer.Option(help="Folder of the run; a run that broke off there goes on.")],
    data: Annotated[Path | None, typer.Option(help="Folder of the data, in place of [data] folder.")] = None,
    scenes: Annotated[str | None, typer.Option(help="Your own GeoTIFFs: a folder, or a pattern in quotes.")] = None,
    labels: Annotated[str | None, typer.Option(help="What is where: GeoJSON or GPKG of polygons, or rasters.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    readers: Annotated[int, typer.Option(min=0, help="Processes that draw chips ahead; 4 to 16 beside a GPU.")] = 0,
    board: Annotated[bool, typer.Option(help="Write TensorBoard logs to OUT/board.")] = False,
) -> None:
    """Train a model; the result is a checkpoint with its card. `torchrun` starts it on several GPUs or machines."""
    from contextlib import ExitStack

    from rich.console import Console

    from models.training.loop import train as run
    from models.training.processes import join, leave
    from service.cli.progress import show_progress

    wanted = _with_data(_read(config), data, scenes, labels)
    processes = join(device)
    with ExitStack() as stack:
        stack.callback(leave, processes)
        watchers = []
        if processes.first:
            watchers.append(stack.enter_context(show_progress(Console())))
        if processes.first and board:
            from models.training.board import open_board

            watchers.append(stack.enter_context(open_board(out / "board")))
        folder = run(wanted, out, watchers=watchers, processes=processes, readers=readers)
    if processes.first:
        print(f"checkpoint: {folder}")


def evaluate(
    model: Annotated[str, typer.Argument(help="Name, name@version, or a checkpoint's folder.")],
    series: Annotated[int, typer.Option(min=1, help="Simulated series to score on.")] = 16,
    size: Annotated[int, typer.Option(min=64, help="Their edge in pixels.")] = 256,
    validation: Annotated[bool, typer.Option(help="Score on the validation series, not the test series.")] = False,
    config: Annotated[str | None, typer.Option(help="Score on the data of this configuration instead.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the data, in place of [data] folder.")] = None,
    scenes: Annotated[str | None, typer.Option(help="With --config: your own GeoTIFFs, as for train.")] = None,
    labels: Annotated[str | None, typer.Option(help="With --config: their labels, as for train.")] = None,
    split: Annotated[str, typer.Option(help="Of those data: held-out, train or all.")] = "held-out",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "cpu",
    tta: Annotated[bool, typer.Option("--tta", help="With test-time augmentation: four times the time.")] = False,
    report: Annotated[Path | None, typer.Option(help="Folder for scores.json and pictures of the scores.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
) -> None:
    """Score a model on simulated series that no training has seen, or on images with masks.

    Prints tables on a terminal, JSON elsewhere; --report adds pictures: confusion, calibration, best and worst chips.
    """
    from rich.console import Console

    from models.engines.open import open_engine
    from models.registry import locate_model
    from models.training.report import as_json as written
    from models.training.report import write_report
    from service.cli.score_table import print_scores
    from workers.settings import Settings

    card, folder = locate_model(model, Settings().model_folders)
    engine = open_engine(folder, device=device, tta=tta)
    if config is not None:
        wanted = _with_data(_read(config), data, scenes, labels)
        score_data = _score_file_series if _reads_series(wanted) else _score_pictures
        scores, found = score_data(engine, wanted, split)
    else:
        kind: Literal["validation", "test"] = "validation" if validation else "test"
        scores, found = _score_series(engine, kind, series, size)
    told = {"model": card.id, **found, **scores.told(), "confusion": scores.confusion.counts.tolist()}
    if sys.stdout.isatty() and not as_json:
        print_scores(Console(), told, [one.name for one in card.classes])
    else:
        print(written(told))
    if report is not None:
        for path in write_report(report, scores, told, card.bands):
            print(f"written: {path}", file=sys.stderr)


def _read(config: str) -> TrainConfig:
    from models.training.config import read_config, shipped_config

    path = Path(config)
    if not path.exists() and shipped_config(config).is_file():
        path = shipped_config(config)
    return read_config(path)


def _with_data(config: TrainConfig, folder: Path | None, scenes: str | None, labels: str | None) -> TrainConfig:
    """Let the data be, or lie, elsewhere than their configuration says."""
    from models.errors import ConfigRefused
    from models.training.config import DataConfig, NetworkConfig
    from models.training.data_config import DatesConfig
    from models.training.scenes_config import ScenesConfig

    data = config.data
    if scenes is None and labels is None:
        if folder is None:
            return config
        if isinstance(data, DataConfig | DatesConfig | ScenesConfig):
            raise ConfigRefused(
                f"--data {folder}: this configuration's data are simulated, or scenes; it reads no folder"
            )
        return dataclasses.replace(config, data=dataclasses.replace(data, folder=str(folder)))
    if folder is not None or isinstance(config.network, NetworkConfig):
        raise ConfigRefused("--scenes and --labels are for networks of one date, such as unet, and in place of --data")
    if isinstance(data, DatesConfig):
        data = ScenesConfig(chip_px=data.chip_px, batch=data.batch)
    if not isinstance(data, ScenesConfig):
        raise ConfigRefused('--scenes, --labels: expected [data] kind = "scenes", or "dates", whose defaults hold then')
    own = dataclasses.replace(data, scenes=scenes or data.scenes, labels=labels or data.labels)
    return dataclasses.replace(config, data=own)


def _score_series(
    engine: Engine, split: Literal["validation", "test"], series: int, size: int
) -> tuple[Scorecard, dict[str, object]]:
    from models.errors import ModelUnknown
    from models.training.evaluate_series import score_series
    from models.training.themes import THEMES

    themes: tuple[Theme, ...] = ("burned-area", "tree-cover")
    fitting = [theme for theme in themes if THEMES[theme].classes == engine.card.classes]
    if not fitting:
        raise ModelUnknown(
            f"{engine.card.id} has a legend of its own; simulated series have the truth for {' and '.join(themes)}; "
            "score it on data with --config"
        )
    scores, found = score_series(engine, fitting[0], split=split, series=series, side_px=size)
    # By these names cards tell of the followed class, a mean over dates; "accuracy" is the scorecard's too.
    told = {name: value for name, value in found.items() if name != "accuracy"}
    return scores, {"split": split, "series": series, "size": size, **told}


def _score_pictures(engine: Engine, config: TrainConfig, split: str) -> tuple[Scorecard, dict[str, object]]:
    from models.errors import ConfigRefused
    from models.training.datasets.open import open_source
    from models.training.evaluate_pictures import evaluate_pictures
    from models.training.themes import about

    if split not in ("held-out", "train", "all"):
        raise ConfigRefused(f"--split: expected held-out, train or all; got {split!r}")
    theme = about(config.theme, config.legend)
    source = open_source(config, theme)
    _check_fits(engine.card, source.bands, theme.classes)
    for note in source.notes:
        print(note, file=sys.stderr)
    found = evaluate_pictures(engine, source.pictures(split))
    return found.scores, {
        "data": source.about, "data_sha256": source.fingerprint, "split": split, "pictures": found.pictures,
        "pixels": found.pixels, "mean_iou_by_picture": found.by_picture,
    }  # fmt: skip


def _check_fits(card: Card, bands: Sequence[str], classes: Sequence[LandClass]) -> None:
    from models.errors import ConfigRefused

    if tuple(bands) != card.bands or len(classes) != len(card.classes):
        known, labelled = (", ".join(c.name for c in legend) for legend in (card.classes, classes))
        raise ConfigRefused(
            f"{card.id} reads {', '.join(card.bands)} and knows {known}; the data have {', '.join(bands)} and "
            f"{labelled}: change data.bands or the legend"
        )


def _reads_series(config: TrainConfig) -> bool:
    from models.training.series_config import SeriesTable

    return isinstance(config.data, SeriesTable)


def _score_file_series(engine: Engine, config: TrainConfig, split: str) -> tuple[Scorecard, dict[str, object]]:
    from models.training.datasets.open_series import open_file_series
    from models.training.evaluate_series import score_file_series
    from models.training.recurrent import about_series

    theme = about_series(config)
    source = open_file_series(config, theme)
    _check_fits(engine.card, source.bands, theme.classes)
    for note in source.notes:
        print(note, file=sys.stderr)
    scores, by_series = score_file_series(engine, source.side(split))
    return scores, {
        "data": source.about, "data_sha256": source.fingerprint, "split": split, "series": len(by_series),
        "mean_iou_by_series": by_series,
    }  # fmt: skip


def models() -> None:
    """List the installed models."""
    from rich.console import Console
    from rich.table import Column, Table

    from models.registry import list_models
    from workers.settings import Settings

    table = Table(Column("model", no_wrap=True), "what it maps", "classes", "bands", "pixels", "measured")
    for card, _ in list_models(Settings().model_folders):
        classes = ", ".join(f"{c.id} {c.name}" for c in card.classes)
        scores = "\n".join(f"{name} {value}" for name, value in card.scores.items() if isinstance(value, int | float))
        pixels = f"{card.res_m[0]:g}-{card.res_m[1]:g} m"
        table.add_row(card.id, card.title, classes, ", ".join(card.bands), pixels, scores)
    Console().print(table)
