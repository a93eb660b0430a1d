"""The Recurrent U-Net on series in files: draws, losses, scores, runs, fine-tuning, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from models.card import MASK_NODATA, read_card
from models.checkpoint import load_network
from models.errors import ConfigRefused
from models.recurrent_unet import RecurrentUNet
from models.training.config import DataConfig, NetworkConfig, TrainConfig, read_config, shipped_config
from models.training.datasets.pastis import open_pastis
from models.training.fit_config import FitConfig
from models.training.loop import train
from models.training.losses import masked_loss
from models.training.processes import Processes
from models.training.recurrent import SeriesLesson, build, draw_batch
from models.training.series_config import SeriesTable
from models.training.series_scores import score_held_out_series
from models.training.static_config import LegendConfig
from models.training.watching import Event, Note, Scored
from tests.models.refused_configs import reason_of
from tests.models.training.series_files import CROPS, pairs, write_dynamic_earth_net, write_fires, write_pastis

LEGEND = LegendConfig(title="crops", classes=tuple(f"crop {number}" for number in range(19)))
COVER = LegendConfig(title="cover", classes=("impervious", "agriculture", "forest", "wetlands", "soil", "water"))


def tiny(data: SeriesTable, legend: LegendConfig | None = None, fit: FitConfig | None = None) -> TrainConfig:
    return TrainConfig(
        theme="burned-area" if legend is None else None,
        legend=legend,
        name="tiny",
        network=NetworkConfig(widths=(4, 6), memory=(4, 6)),
        data=data,
        fit=fit or FitConfig(steps=2, save_every=1, validate_every=2),
    )


def test_simulated_is_the_kind_of_a_table_that_names_none(tmp_path: Path) -> None:
    texts = ["", '[data]\nkind = "simulated"\nchip_px = 128\n']
    configs = []
    for number, text in enumerate(texts):
        path = tmp_path / f"{number}.toml"
        path.write_text('theme = "burned-area"\nname = "x"\n' + text)
        configs.append(read_config(path))
    assert configs[0] == configs[1]
    assert configs[0].data == DataConfig()


def test_fires_are_learned_from_and_the_card_says_which(tmp_path: Path) -> None:
    write_fires(tmp_path / "fires")
    events: list[Event] = []
    config = tiny(pairs(tmp_path / "fires"))
    card = read_card(train(config, tmp_path / "run", watchers=[events.append]))
    assert card.training["data"] == "2 real fires (Sentinel-2) learned from, 1 held out (66_20230515)"
    assert (card.res_m, card.bands) == ((20.0, 20.0), ("blue", "green", "red", "nir"))
    assert card.change.name == "burned"
    assert isinstance(events[0], Note)
    (scored,) = (event for event in events if isinstance(event, Scored))
    assert {"iou", "mean_iou", "last_mean_iou", "change_iou", "scs"} <= scored.scores.keys()
    x, clear, day, target = draw_batch(config, 0)
    assert x.shape == (2, 2, 4, 32, 32)
    assert (day[:, 1] - day[:, 0]).tolist() == [60, 60]
    assert not (target[:, 0] == 1).any()
    again = draw_batch(config, 0)
    assert all(torch.equal(a, b) for a, b in zip((x, clear, day, target), again, strict=True))


def test_fine_tuning_starts_from_a_recurrent_checkpoint(tmp_path: Path) -> None:
    write_fires(tmp_path / "fires")
    first = train(tiny(pairs(tmp_path / "fires")), tmp_path / "first")
    fit = FitConfig(steps=1, peak_rate=1e-30, weight_decay=0.0, average_decay=0.0, start=str(first))
    second = train(tiny(pairs(tmp_path / "fires", "CLEAR_*"), fit=fit), tmp_path / "second")
    card = read_card(second)
    assert card.training["start"]["weights_sha256"] == read_card(first).hashes["weights.safetensors"]
    old, new = (load_network(folder, read_card(folder)) for folder in (first, second))
    assert all(torch.allclose(a, b) for a, b in zip(old.parameters(), new.parameters(), strict=True))
    own = LegendConfig(title="t", classes=("a", "b"))
    with pytest.raises(ConfigRefused, match=r"fit.start: tiny@1 in .* has architecture"):
        train(tiny(pairs(tmp_path / "fires"), own, fit), tmp_path / "third")


def test_a_legend_of_one_s_own_gives_a_class_per_date(tmp_path: Path) -> None:
    lesson = SeriesLesson(tiny(write_pastis(tmp_path), LEGEND))
    card, net = lesson.card(), lesson.build()
    assert [c.name for c in card.classes] == list(LEGEND.classes)
    assert card.architecture["classes"] == 19
    assert lesson.watched == "mean_iou"
    x, clear, day, target = lesson.draw(1, Processes())
    assert (target == MASK_NODATA).any()
    terms, _ = lesson.objective(net, Processes())(x, clear, day, target)
    torch.autograd.backward(terms["loss"])
    assert all(torch.isfinite(weight.grad).all() for weight in net.parameters() if weight.grad is not None)


@pytest.mark.parametrize("legend", [None, LEGEND])
def test_unknown_truth_and_what_is_not_clear_never_matter(tmp_path: Path, legend: LegendConfig | None) -> None:
    write_fires(tmp_path / "fires")
    data = pairs(tmp_path / "fires") if legend is None else write_pastis(tmp_path)
    lesson = SeriesLesson(tiny(data, legend))
    x, clear, day, target = lesson.draw(0, Processes())
    target = target.clamp(max=18)
    clear[:, :, :5], unknown = False, target.clone()
    unknown[:, :, 5:9] = MASK_NODATA
    net = lesson.build().eval()
    asks = lesson.objective(net, Processes())
    one, other = (asks(x, clear, day, truth)[0]["loss"] for truth in (unknown, torch.where(clear, unknown, 1)))
    assert torch.equal(one, other)
    if legend is None:
        valid = clear & (unknown != MASK_NODATA)
        by_hand = masked_loss(net(x, clear, day), torch.where(valid, unknown, 1).long(), valid, dice_weight=0.5)
        assert torch.equal(one, by_hand)


def test_scores_are_those_of_all_dates_at_once(tmp_path: Path) -> None:
    """The reference takes all dates in at once, and counts with numpy."""
    source = open_pastis(write_pastis(tmp_path), CROPS)
    torch.manual_seed(0)
    net = build(tiny(write_pastis(tmp_path), LEGEND)).eval()
    scores, examples = score_held_out_series(net, source.held_out, CROPS.classes, 3)
    chip = source.held_out[0].at(range(5)).window(0, 0, 40, 40)
    with torch.no_grad():
        masks = net(*(torch.from_numpy(part[None]) for part in (chip.reflectance, chip.clear, chip.days)))[0].argmax(1)
    given, valid = masks.numpy(), chip.target != MASK_NODATA
    for k in range(19):
        both = ((given == k) & (chip.target == k) & valid).sum()
        either = (((given == k) | (chip.target == k)) & valid).sum()
        assert scores[f"iou crop {k}"] == pytest.approx(both / either)
    assert scores["iou"] == scores["iou crop 3"]
    assert scores["accuracy"] == pytest.approx((given == chip.target)[valid].mean())
    assert np.isnan(scores["scs"])  # nothing truly changes
    assert np.array_equal(examples[0].mask, given[-1])


def test_a_series_larger_than_a_window_is_scored_in_windows(tmp_path: Path) -> None:
    config = tiny(write_dynamic_earth_net(tmp_path, side_px=270), COVER)
    lesson = SeriesLesson(config)
    assert isinstance(lesson.build(), RecurrentUNet)
    scores, examples = lesson.score(lesson.build())
    assert 0 <= scores["accuracy"] <= 1
    assert 0 <= scores["change_iou"] <= 1  # all of it changes from month to month
    assert examples[0].mask.shape == (256, 256)


@pytest.mark.parametrize("name", ["pastis", "dynamic-earth-net"])
def test_shipped_configurations_are_read(name: str) -> None:
    config = read_config(shipped_config(name))
    assert config.name == name
    assert isinstance(config.data, SeriesTable)
    assert config.legend is not None
    assert build(config).architecture["classes"] == len(config.legend.classes)


BASE = 'name = "x"\n'
FIRES = '[data]\nkind = "wildfire-pairs"\nfolder = "f"\nheld_out = ["a"]\n'
PASTIS = '[data]\nkind = "pastis"\nfolder = "f"\n'
OWN = '[legend]\ntitle = "t"\nclasses = ["a", "b"]\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            BASE + '[data]\nkind = "moon"',
            "data.kind: expected one of simulated, pastis, dynamic-earth-net, wildfire-pairs",
        ),
        (BASE + PASTIS, "theme, legend: expected one of the two; got None"),
        (BASE + OWN, "theme: expected one of burned-area, tree-cover; got None"),
        ('theme = "burned-area"\n' + BASE + FIRES + OWN, "theme, legend: expected one of the two; got 'burned-area'"),
        (BASE + OWN + PASTIS + 'bands = ["red"]', "network.mean, std: expected 1 values, one per band"),
        (BASE + OWN + PASTIS + "chip_px = 100", "data.chip_px: expected a multiple of the stride 8; got 100"),
        (BASE + OWN + FIRES.replace('held_out = ["a"]\n', ""), "data.held_out: Field required"),
        (BASE + OWN + FIRES + "dates = [2]", "unknown key data.dates"),
        (BASE + OWN + FIRES + '[network]\nfamily = "unet"', "data.kind: expected one of dates, folder, npz, "),
    ],
)
def test_a_bad_configuration_is_refused_with_the_reason(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in reason_of(tmp_path, text)


def test_a_loss_of_two_classes_is_refused_for_more(tmp_path: Path) -> None:
    config = tiny(write_pastis(tmp_path), LEGEND)
    with pytest.raises(ConfigRefused, match=r"fit.missed_weight: expected 1"):
        SeriesLesson(dataclasses.replace(config, fit=FitConfig(missed_weight=2.0)))
