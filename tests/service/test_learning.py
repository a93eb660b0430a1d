"""`chronoseg train` and `chronoseg evaluate` on a user's own images, as a user types them."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from models.card import read_card
from service.cli.main import app
from service.cli.score_table import print_scores
from tests.models.training.static_runs import write_raster

CONFIG = """
name = "ponds"

[legend]
title = "Ponds"
classes = ["land", "pond"]
change = ["land", "pond"]

[network]
family = "pspnet"
width = 0.05
mean = [0.2, 0.2]
std = [0.1, 0.1]

[data]
kind = "folder"
folder = "elsewhere"
images = "*.tif"
masks = "*_mask.tif"
bands = { green = 1, nir = 2 }
labels = { 0 = 0, 9 = 1 }
held_out = 1
chip_px = 32
batch = 4

[fit]
steps = 3
validate_every = 2
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ponds.toml, the images in data/, and the run in run/."""
    folder = tmp_path_factory.mktemp("ponds")
    (folder / "ponds.toml").write_text(CONFIG)
    for number in range(3):
        rng = np.random.default_rng(number)
        nir = rng.integers(100, 4000, (40, 48))
        image, west = np.stack([4000 - nir, nir]).astype(np.uint16), number * 1e5
        write_raster(folder / "data" / f"{number}.tif", image, west=west)
        write_raster(
            folder / "data" / f"{number}_mask.tif", np.where(nir < 1500, 9, 0).astype(np.uint8)[None], west=west
        )
    result = CliRunner().invoke(app, [*_train(folder), "--board"])
    assert result.exit_code == 0, result.output
    assert "step 2  held out  accuracy" in result.output
    assert f"checkpoint: {folder / 'run' / 'ponds'}" in result.output
    return folder


def _train(folder: Path) -> list[str]:
    data, out = str(folder / "data"), str(folder / "run")
    return ["train", str(folder / "ponds.toml"), "--data", data, "--out", out, "--device", "cpu"]


def test_the_card_tells_of_the_data_and_not_of_where_they_lay(trained: Path) -> None:
    text = (trained / "run" / "ponds" / "card.json").read_text()
    card = read_card(trained / "run" / "ponds")
    assert str(trained) not in text
    assert "elsewhere" not in text
    assert (card.bands, card.tiling, card.change.name) == (("green", "nir"), "blend", "land to pond")
    assert len(card.training["data_sha256"]) == 64
    assert card.training["revision"]
    assert "2 images learned from, 1 held out" in card.training["data"]
    assert list((trained / "run" / "board").glob("events.*"))


def test_a_finished_run_is_not_walked_again(trained: Path) -> None:
    before = read_card(trained / "run" / "ponds").hashes
    result = CliRunner().invoke(app, _train(trained))
    assert result.exit_code == 0, result.output
    assert "goes on after step 3/3" in result.output
    assert read_card(trained / "run" / "ponds").hashes == before


@pytest.mark.parametrize(("split", "pictures"), [("held-out", 1), ("all", 3)])
def test_evaluate_scores_images_as_a_job_runs_them(trained: Path, split: str, pictures: int) -> None:
    model, config, data = (str(trained / part) for part in ("run/ponds", "ponds.toml", "data"))
    result = CliRunner().invoke(app, ["evaluate", model, "--config", config, "--data", data, "--split", split])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["model"], told["pictures"], told["pixels"]) == ("ponds@1", pictures, pictures * 40 * 48)
    assert np.sum(told["confusion"]) == told["pixels"]
    assert 0 <= told["iou pond"] <= 1
    assert len(told["mean_iou_by_picture"]) == pictures


def test_evaluate_writes_a_report(trained: Path, tmp_path: Path) -> None:
    model, config, data = (str(trained / part) for part in ("run/ponds", "ponds.toml", "data"))
    words = ["evaluate", model, "--config", config, "--data", data, "--report", str(tmp_path / "report")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    names = ["calibration.png", "confusion.png", "contact-sheet.png", "scores.json"]
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == names
    assert json.loads((tmp_path / "report" / "scores.json").read_text()) == json.loads(result.stdout)
    assert f"written: {tmp_path / 'report' / 'scores.json'}" in result.stderr


def test_a_terminal_gets_tables() -> None:
    written = StringIO()
    told = {
        "model": "ponds@1", "split": "train", "mean_iou": 0.5, "iou land": 0.25, "iou pond": float("nan"),
        "f1 land": 0.4, "f1 pond": 0.2, "boundary_f1 land": 1.0, "boundary_f1 pond": 0.0, "confusion": [[1]],
    }  # fmt: skip
    print_scores(Console(file=written, width=80), told, ["land", "pond"])
    lines = [line.strip("│┃ ").split() for line in written.getvalue().splitlines()]
    assert lines[0] == ["split:", "train"]
    assert ["mean_iou", "│", "0.5000"] in lines
    assert ["land", "│", "0.2500", "│", "0.4000", "│", "1.0000"] in lines
    assert ["pond", "│", "-", "│", "0.2000", "│", "0.0000"] in lines
    assert "confusion" not in written.getvalue()


def test_evaluate_scores_a_series_with_its_changes() -> None:
    result = CliRunner().invoke(app, ["evaluate", "unet", "--series", "1", "--size", "64", "--validation"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["model"], told["split"], told["series"], told["size"]) == ("unet@1", "validation", 1, 64)
    known = {"clear_iou", "change_bc", "change_sc", "change_scs", "boundary_f1", "calibration_error", "iou burned"}
    assert known <= set(told)
    assert np.sum(told["confusion"]) <= 10 * 64 * 64


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--split", "test"], "--split: expected held-out, train or all; got 'test'"),
        (
            ["--config", "unet"],
            "ponds@1 reads green, nir and knows land, pond; the data have blue, green, red, nir and",
        ),
        (["--config", "unet", "--data", "."], "this configuration's data are simulated, or scenes; it reads no folder"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(trained: Path, words: list[str], reason: str) -> None:
    model, config = str(trained / "run" / "ponds"), str(trained / "ponds.toml")
    result = CliRunner().invoke(app, ["evaluate", model, "--config", config, *words])
    assert result.exit_code == 1
    assert reason in result.output


def test_a_legend_of_one_s_own_has_no_simulated_truth(trained: Path) -> None:
    result = CliRunner().invoke(app, ["evaluate", str(trained / "run" / "ponds")])
    assert result.exit_code == 1
    assert "has a legend of its own" in result.output


def test_data_that_are_not_there_are_refused(tmp_path: Path) -> None:
    (tmp_path / "ponds.toml").write_text(CONFIG)
    result = CliRunner().invoke(app, ["train", str(tmp_path / "ponds.toml"), "--out", str(tmp_path / "run")])
    assert result.exit_code == 1
    assert (
        "data.folder: expected a folder; elsewhere is none; name it in [data], or give --data FOLDER" in result.output
    )
