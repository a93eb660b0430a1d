"""Configurations of static networks: those that are shipped, and what is refused with which reason."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from models.errors import ConfigRefused
from models.training.config import read_config, shipped_config
from models.training.data_config import DatesConfig, FolderConfig
from models.training.lesson import open_lesson
from models.training.single_date import DateLesson
from models.training.static_config import LegendConfig, StaticNetworkConfig
from models.training.themes import about
from models.training.written import written
from tests.models.refused_configs import reason_of

ISBI = Path(__file__).parents[4] / "shared" / "data" / "isbi"
NAMES = ("fcn", "pspnet", "unet", "segnet", "unet-adversarial")


@pytest.mark.parametrize("name", NAMES)
def test_shipped_configurations_build_small_networks_on_the_same_data(name: str) -> None:
    config = read_config(shipped_config(name))
    first = read_config(shipped_config(NAMES[0]))
    assert config.name == name
    assert (config.data, config.fit, config.loss, config.seed) == (first.data, first.fit, first.loss, first.seed)
    net = open_lesson(config).build()
    assert 0.3e6 < sum(weight.numel() for weight in net.parameters()) < 1.5e6


def test_the_adversarial_configuration_differs_by_its_adversary_alone() -> None:
    plain, adversarial = (read_config(shipped_config(name)) for name in ("unet", "unet-adversarial"))
    assert adversarial.adversarial is not None
    assert dataclasses.replace(adversarial, name="unet", adversarial=None) == plain


def test_the_detector_s_tiles_are_as_large_as_its_chips() -> None:
    config = read_config(shipped_config("mask-rcnn"))
    lesson = open_lesson(config)
    card = lesson.card()
    assert (card.tiling, card.tile_px, card.stride_px) == ("instances", 256, 128)
    assert card.tile_px == config.data.chip_px
    assert 0.3e6 < sum(weight.numel() for weight in lesson.build().parameters()) < 1.5e6


@pytest.mark.parametrize("family", ["fcn", "pspnet", "segnet"])
def test_configurations_for_isbi_differ_by_their_network_alone(family: str) -> None:
    unet, other = (read_config(shipped_config(f"isbi-{name}")) for name in ("unet", family))
    simulated = read_config(shipped_config(family)).network
    assert isinstance(other.network, StaticNetworkConfig)
    assert isinstance(simulated, StaticNetworkConfig)
    assert (other.network.family, other.network.options) == (family, simulated.options)
    assert dataclasses.replace(other, name="isbi-unet", network=unet.network) == unet


@pytest.mark.skipif(not ISBI.is_dir(), reason="no ../shared/data/isbi")
def test_isbi_learns_from_24_images_and_holds_6_out() -> None:
    config = read_config(shipped_config("isbi-unet"))
    assert isinstance(config.data, FolderConfig)
    lesson = DateLesson(dataclasses.replace(config, data=dataclasses.replace(config.data, folder=str(ISBI))))
    assert len(lesson._source.pictures("train")) == 24
    assert len(lesson._source.pictures("held-out")) == 6
    assert [c.name for c in lesson.card().classes] == ["membrane", "cell"]


BASE = 'theme = "burned-area"\nname = "x"\n[network]\nfamily = "unet"\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BASE.replace("unet", "vit"), "network.family: Input should be 'fcn', 'pspnet', 'unet', 'segnet' or"),
        (BASE + "mean = [0.1]", "network.mean, std: expected one value each per band"),
        (BASE + "mean = [0.1]\nstd = [0.1]", "network.mean, std: expected 4 values, one per band; got (0.1,)"),
        (BASE + "classes = 3", "network.classes"),
        (BASE + '[data]\nkind = "cloud"', "data.kind: expected one of dates, folder, npz, "),
        (BASE + '[data]\nkind = "folder"', "data.folder: Field required"),
        (BASE + "[data]\nlooks = 3", "data.looks: expected a divisor of batch = 8; got 3"),
        (BASE + "[data]\ndates_per_step = 3", "unknown key data.dates_per_step"),
        (BASE + "[loss]\ncross_entropy = 0.0\ndice = 0.0", "loss: expected weights of 0 or more, one above 0"),
        (BASE + "[loss]\nhinge = 1.0", "unknown key loss.hinge"),
        (BASE + "[adversarial]\nweight = 0", "adversarial.weight: expected more than 0"),
        (BASE + '[adversarial]\nreads = "all"', "adversarial.reads: Input should be 'basic', 'product' or 'scaling'"),
        (BASE + "[fit]\npatience = -1", "fit.patience: expected 0 or more; got -1"),
        (BASE + '[legend]\ntitle = "t"\nclasses = ["a", "b"]', "theme, legend: expected one of the two"),
        (BASE.replace('theme = "burned-area"\n', ""), "theme, legend: expected one of the two"),
        (BASE.replace("unet", "mask_rcnn") + "[adversarial]", "adversarial: expected no such table for mask_rcnn"),
        ('theme = "burned-area"\nname = "x"\n[loss]', "loss: expected no such table for recurrent_unet"),
        ('theme = "burned-area"\nname = "x"\n[network]\nfamily = "recurrent_unet"\ndepth = 1', "network.depth"),
        ('name = "x"', "theme: expected one of burned-area, tree-cover; got None"),
    ],
)
def test_a_bad_configuration_is_refused_with_the_reason(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in reason_of(tmp_path, text)


@pytest.mark.parametrize(
    ("legend", "reason"),
    [
        ({"classes": ("a",)}, "legend.classes"),
        ({"classes": ("a", "a")}, "legend.classes"),
        ({"classes": ("a", "b"), "colors": ("#fff", "#000000")}, "legend.colors: expected one #rrggbb per class"),
        ({"classes": ("a", "b"), "change": ("a", "c")}, "legend.change"),
    ],
)
def test_a_bad_legend_is_refused(legend: dict[str, tuple[str, ...]], reason: str) -> None:
    with pytest.raises(ConfigRefused, match=reason):
        LegendConfig(title="t", **legend)  # type: ignore[arg-type] # the lengths are what is tested


def test_a_legend_of_one_s_own() -> None:
    theme = about(None, LegendConfig(title="t", classes=("a", "b", "c"), change=("c", "a")))
    assert [(c.id, c.name) for c in theme.classes] == [(0, "a"), (1, "b"), (2, "c")]
    assert len({c.color for c in theme.classes}) == 3
    assert (theme.change.before, theme.change.after, theme.followed) == (2, 0, 0)


def test_what_is_written_leaves_out_where_the_data_lie_and_what_came_later() -> None:
    told = written(read_config(shipped_config("isbi-unet")))
    assert "folder" not in told["data"]
    assert told["data"]["images"] == "train/image/*.png"
    assert "adversarial" not in told
    assert "patience" not in told["fit"]
    assert told["augment"]["flip"] == {}
    recurrent = written(read_config(shipped_config("tree-cover")))
    assert list(recurrent) == ["theme", "name", "version", "seed", "network", "data", "fit"]
    assert "patience" not in recurrent["fit"]


def test_options_of_a_network_stand_in_its_table(tmp_path: Path) -> None:
    path = tmp_path / "fine.toml"
    path.write_text(BASE + 'width = 0.1\nencoder = "mobilenet_v2"\n')
    config = read_config(path)
    assert config.network == StaticNetworkConfig("unet", options={"width": 0.1, "encoder": "mobilenet_v2"})
    assert config.data == DatesConfig()
