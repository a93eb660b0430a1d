"""A published data set in a configuration: its own legend, its own split, and a network that learns from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import ConfigRefused
from models.training.config import read_config
from models.training.data_config import PublishedConfig
from models.training.processes import join
from models.training.single_date import DateLesson
from models.training.written import written
from tests.models.training.test_published import write_camvid

CONFIG = """
name = "streets"

[network]
family = "fcn"
width = 0.05
mean = [0.4, 0.4, 0.4]
std = [0.2, 0.2, 0.2]

[data]
kind = "published"
layout = "camvid"
folder = "FOLDER"
chip_px = 32
batch = 2

[fit]
steps = 1
validate_every = 1
"""


def configured(folder: Path, text: str = CONFIG) -> Path:
    path = folder / "streets.toml"
    path.write_text(text.replace("FOLDER", str(folder / "data")))
    return path


def test_the_legend_comes_with_the_data(tmp_path: Path) -> None:
    config = read_config(configured(tmp_path))
    assert isinstance(config.data, PublishedConfig)
    assert config.legend is not None
    assert (config.legend.title, config.legend.classes[:2], config.legend.colors[0]) == (
        "CamVid", ("sky", "building"), "#808080",
    )  # fmt: skip
    assert "folder" not in written(config)["data"]
    assert written(config)["legend"]["classes"][-1] == "bicyclist"


def test_a_network_learns_from_it_and_its_card_tells(tmp_path: Path) -> None:
    write_camvid(tmp_path / "data")
    lesson = DateLesson(read_config(configured(tmp_path)))
    card, alone = lesson.card(), join("cpu")
    assert [one.name for one in card.classes][3] == "road"
    assert card.bands == ("red", "green", "blue")
    assert "the authors' val" in card.training["data"]
    terms, _ = lesson.objective(lesson.build(), alone)(*lesson.draw(0, alone))
    assert terms["main"].isfinite()


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ('"camvid"', '"kitti"', "data.layout: expected one of voc2012, pascal-context, .*; got 'kitti'"),
        ("mean = [0.4, 0.4, 0.4]\nstd = [0.2, 0.2, 0.2]", "", "network.mean, std: expected 3 values, one per band"),
        ('layout = "camvid"', "", "data.layout: Field required"),
        ("batch = 2", "bands = [1]", "unknown key data.bands"),
    ],
)
def test_a_bad_table_is_refused(tmp_path: Path, before: str, after: str, reason: str) -> None:
    with pytest.raises(ConfigRefused, match=reason):
        read_config(configured(tmp_path, CONFIG.replace(before, after)))
