"""`chronoseg train --scenes --labels`, as a user with images and polygons types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from models.card import read_card
from service.cli.main import app
from tests.models.training.own_labels import square, write_polygons, write_scene

CONFIG = """
name = "ponds"

[legend]
title = "Ponds"
classes = ["bare", "trees", "water"]

[network]
family = "pspnet"
width = 0.05
mean = [0.06, 0.06, 0.06, 0.3]
std = [0.04, 0.04, 0.04, 0.1]

[data]
kind = "scenes"
outside = "bare"
block_m = 320
chip_px = 32
batch = 2

[fit]
steps = 2
validate_every = 2
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ponds")
    (folder / "ponds.toml").write_text(CONFIG)
    write_scene(folder / "scenes" / "a.tif")
    write_scene(folder / "scenes" / "b.tif", east_m=600)
    labels = [("trees", square(0, 0, 600, 1200)), ("water", square(600, 0, 1200, 600))]
    write_polygons(folder / "labels.geojson", labels)
    return folder


def run(folder: Path, *words: str) -> Result:
    data = ["--scenes", str(folder / "scenes" / "*.tif"), "--labels", str(folder / "labels.geojson")]
    return CliRunner().invoke(app, [*words, *data, "--device", "cpu"])


def test_scenes_with_polygons_are_learned_from_and_scored(folder: Path) -> None:
    result = run(folder, "train", str(folder / "ponds.toml"), "--out", str(folder / "run"))
    assert result.exit_code == 0, result.output
    text = (folder / "run" / "ponds" / "card.json").read_text()
    assert str(folder) not in text
    card = read_card(folder / "run" / "ponds")
    assert "2 scenes with labels" in card.training["data"]
    assert "block" in card.training["data"]
    assert card.res_m == pytest.approx((10, 10), rel=1e-3)
    config = str(folder / "ponds.toml")
    result = run(folder, "evaluate", str(folder / "run" / "ponds"), "--config", config, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["pictures"] >= 2
    assert told["data_sha256"] == card.training["data_sha256"]


def test_labels_are_missed_and_other_data_are_refused(folder: Path) -> None:
    out = str(folder / "other")
    result = CliRunner().invoke(app, ["train", str(folder / "ponds.toml"), "--out", out])
    assert result.exit_code == 1
    assert "no labels: give --labels" in result.output
    for config, reason in (
        ("burned-area", "for networks of one date"),
        ("isbi-unet", 'expected [data] kind = "scenes"'),
        ("unet", "'class' holds 'trees'"),  # its legend has other classes
    ):
        result = run(folder, "train", config, "--out", out)
        assert result.exit_code == 1
        assert reason in result.output
