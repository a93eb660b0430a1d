"""`chronoseg train` and `chronoseg evaluate` on series in files, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from service.cli.main import app
from tests.models.training.series_files import write_fires

CONFIG = """
theme = "burned-area"
name = "fires"

[network]
widths = [4, 6]
memory = [4, 6]

[data]
kind = "wildfire-pairs"
folder = "elsewhere"
held_out = ["66_*"]
chip_px = 32
batch = 2

[fit]
steps = 2
"""


def test_fires_are_learned_from_and_scored_on(tmp_path: Path) -> None:
    write_fires(tmp_path / "fires")
    config, data = tmp_path / "fires.toml", ["--data", str(tmp_path / "fires")]
    config.write_text(CONFIG)
    run = CliRunner().invoke(app, ["train", str(config), *data, "--out", str(tmp_path / "run"), "--device", "cpu"])
    assert run.exit_code == 0, run.output
    folder = tmp_path / "run" / "fires"
    told = CliRunner().invoke(app, ["evaluate", str(folder), "--config", str(config), *data])
    assert told.exit_code == 0, told.output
    scores = json.loads(told.stdout)
    assert list(scores["mean_iou_by_series"]) == ["66_20230515"]
    assert scores["data"] == "2 real fires (Sentinel-2) learned from, 1 held out (66_20230515)"
    assert "change_bc" in scores
    assert "CREEK_20240726" in told.stderr
    wrong = CliRunner().invoke(app, ["evaluate", str(folder), "--config", str(config), *data, "--split", "test"])
    assert wrong.exit_code != 0
    assert "expected held-out, train or all; got 'test'" in str(wrong.exception) + wrong.output


def test_another_network_is_not_scored_on_series(tmp_path: Path) -> None:
    write_fires(tmp_path / "fires")
    config, one = tmp_path / "fires.toml", "mean = [0.1]\nstd = [0.1]"
    config.write_text(CONFIG.replace("[network]", f"[network]\n{one}").replace("[data]", '[data]\nbands = ["red"]'))
    told = CliRunner().invoke(
        app, ["evaluate", "burned-area", "--config", str(config), "--data", str(tmp_path / "fires")]
    )
    assert told.exit_code != 0
    assert "the data have red and unburned, burned: change data.bands" in str(told.exception) + told.output
