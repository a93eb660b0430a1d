"""The accuracy benchmark: scores by hand, rivals that never look ahead, chips that are what they say."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from benchmarks.accuracy.cuts import CUTS, print_cuts
from benchmarks.accuracy.export import export
from benchmarks.accuracy.indices import masks_by, ndvi, since_first
from benchmarks.accuracy.landscapes import KINDS, NO_FIRE, YEARS_APART, landscapes_of, spec_of
from benchmarks.accuracy.rivals import RIVALS, first_look
from benchmarks.accuracy.score import Accuracy, hold_last, probs_of
from benchmarks.accuracy.train import train_rivals, weights_of
from geo.simulator.series import Series, simulate, truth
from geo.simulator.spec import SATELLITES, UNSEEN_SATELLITES, SeriesSpec
from models.card import MASK_NODATA
from models.training.chips import TEST_SEEDS, TRAIN_SEEDS, VALIDATION_SEEDS, draw_spec
from models.training.config import DataConfig, NetworkConfig, TrainConfig
from models.training.fit_config import FitConfig
from models.training.themes import THEMES

SMALL = NetworkConfig(widths=(4, 6), memory=(4, 6))


@pytest.fixture(scope="module")
def series() -> Series:
    spec = SeriesSpec("burned-area", 32, 48, dates=5, fire_chance=1.0, cloud_fraction=0.3)
    return next(one for one in (simulate(spec, seed) for seed in range(20)) if one.burned[-1].mean() > 0.1)


def test_the_truth_scores_one(series: Series) -> None:
    scored = Accuracy("burned-area")
    scored.add(series, truth(series))
    assert scored.iou() == scored.iou_everywhere() == scored.right_day_share() == 1
    assert np.isnan(scored.calibration.error())


def test_days_are_counted_in_clear_looks() -> None:
    spec = SeriesSpec("burned-area", 8, 8, dates=5, fire_chance=0.0, cloud_fraction=0.0)
    base = simulate(spec, 0)
    burned, clear = np.zeros((5, 8, 8), bool), np.ones((5, 8, 8), bool)
    burned[1:, 0] = True  # a row of eight burned pixels, seen at looks 0, 3 and 4 only
    clear[1:3, 0] = False
    made = dataclasses.replace(base, burned=burned, clear=clear, truly_clear=clear)
    for given, right in ((3, 1.0), (4, 1.0), (5, 0.0)):  # on the first look that shows it, one later, never
        masks = np.zeros((5, 8, 8), np.uint8)
        masks[given:, 0] = 1
        scored = Accuracy("burned-area")
        scored.add(made, masks)
        assert scored.changed == 8
        assert scored.right_day_share() == right


def test_what_nobody_can_see_counts_only_everywhere(series: Series) -> None:
    masks, hidden = truth(series), ~(series.clear & series.truly_clear)
    masks[hidden] = 1 - masks[hidden]
    scored = Accuracy("burned-area")
    scored.add(series, masks)
    assert scored.iou() == 1 > scored.iou_everywhere()


def test_what_changed_before_its_first_look_was_not_witnessed() -> None:
    spec = SeriesSpec("burned-area", 8, 8, dates=3, fire_chance=0.0, cloud_fraction=0.0)
    burned, clear = np.zeros((3, 8, 8), bool), np.ones((3, 8, 8), bool)
    burned[1:, :2] = True
    clear[0, 0] = False  # the first row is not seen before it burns
    made = dataclasses.replace(simulate(spec, 0), burned=burned, clear=clear, truly_clear=clear)
    masks = truth(made)
    masks[:, 0] = 0  # and is missed
    scored = Accuracy("burned-area")
    scored.add(made, masks)
    assert (scored.iou(), scored.iou_witnessed()) == (0.5, 1)


def test_false_alarms_are_counted_where_nothing_changed() -> None:
    burned, clear = np.zeros((3, 8, 8), bool), np.ones((3, 8, 8), bool)
    burned[1:, :2] = True
    clear[:, 2] = False  # a row that nobody sees
    spec = SeriesSpec("burned-area", 8, 8, dates=3, fire_chance=0.0, cloud_fraction=0.0)
    made = dataclasses.replace(simulate(spec, 0), burned=burned, clear=clear, truly_clear=clear)
    masks = np.zeros((3, 8, 8), np.uint8)
    masks[:, 2] = MASK_NODATA
    masks[:, 0] = masks[-1, 5] = 1  # a fire that burned, and an alarm
    masks[1, 6] = 1  # an alarm that did not last
    scored = Accuracy("burned-area")
    scored.add(made, masks)
    unburned, called_burned = scored.everywhere[-1].counts[0].sum(), scored.everywhere[-1].counts[0, 1]
    assert (unburned, called_burned, scored.false_alarm_share()) == (40, 8, 0.2)


def test_a_lower_cut_finds_more_and_alarms_more(capsys: pytest.CaptureFixture[str]) -> None:
    print_cuts("burned-area", 2)  # on the first alone there are next to no alarms
    _, _, *rows = capsys.readouterr().out.splitlines()
    values = [[float(cell) for cell in row.strip("|").split("|")] for row in rows]
    assert tuple(row[0] for row in values) == CUTS
    alarms = [row[-1] for row in values]
    assert alarms == sorted(alarms)
    assert alarms[0] < alarms[-1]
    days = [row[2] for row in values]
    assert days[0] < days[-1]


@pytest.mark.parametrize("name", RIVALS)
def test_rivals_give_a_map_per_date_and_never_look_ahead(name: str, series: Series) -> None:
    torch.manual_seed(0)
    net = RIVALS[name](SMALL, THEMES["burned-area"]).eval()
    probs = probs_of(net, series)
    assert probs.shape == (5, 2, 32, 48)
    known = ~np.isnan(probs[:, 0])
    assert (known == (np.cumsum(series.clear, 0) > 0)).all()
    assert np.allclose(probs.sum(1)[known], 1, atol=1e-5)
    later = series.reflectance.copy()
    later[3:] += 0.3
    other = probs_of(net, dataclasses.replace(series, reflectance=later))
    assert np.allclose(probs[:3], other[:3], atol=1e-6, equal_nan=True)
    assert not np.allclose(probs[3:], other[3:], atol=1e-6, equal_nan=True)


def test_rivals_have_as_many_weights() -> None:
    counts = {
        name: sum(p.numel() for p in build(NetworkConfig(), THEMES["burned-area"]).parameters())
        for name, build in RIVALS.items()
    }
    wider = counts.pop("recurrent, wider view")
    assert max(counts.values()) < 1.01 * min(counts.values())
    assert wider < 1.2 * counts["recurrent"]


def test_first_look_and_last_look() -> None:
    x = torch.arange(4.0).reshape(1, 4, 1, 1, 1)
    clear = torch.tensor([False, True, False, True]).reshape(1, 4, 1, 1)
    assert first_look(x, clear[:, :, None]).flatten().tolist() == [0, 1, 1, 1]
    held = hold_last(x.numpy()[0].astype(np.float32), clear.numpy()[0])
    assert np.array_equal(held.ravel(), [np.nan, 1, 1, 3], equal_nan=True)


def test_thresholds_repeat_the_last_look(series: Series) -> None:
    masks = masks_by(ndvi, 0.2, series)
    assert ((masks == MASK_NODATA) == (np.cumsum(series.clear, 0) == 0)).all()
    first = series.clear.argmax(0)
    assert np.allclose(np.take_along_axis(since_first(ndvi)(series), first[None], 0), 0)


def test_rivals_learn_on_the_same_chips(tmp_path: Path) -> None:
    config = TrainConfig(
        theme="burned-area", name="tiny", network=SMALL, data=DataConfig(chip_px=32, dates_per_step=4, dates=(2,)),
        fit=FitConfig(steps=2, average_decay=0.0),
    )  # fmt: skip
    train_rivals(config, ["per date", "recurrent"], tmp_path / "both", device="cpu")
    train_rivals(config, ["per date"], tmp_path / "one", device="cpu")
    both, one = (safetensors.torch.load_file(weights_of(tmp_path / run, "per date")) for run in ("both", "one"))
    assert all(torch.equal(value, one[name]) for name, value in both.items())
    fresh = RIVALS["per date"](SMALL, THEMES["burned-area"])
    torch.manual_seed(0)
    assert not torch.equal(both["body.to_logits.weight"], fresh.state_dict()["body.to_logits.weight"])


def test_test_landscapes_are_of_no_training() -> None:
    assert not set(UNSEEN_SATELLITES) & set(SATELLITES)
    assert not set(TEST_SEEDS) & set(TRAIN_SEEDS)
    for kind in KINDS:
        assert spec_of(kind, "burned-area").satellites == UNSEEN_SATELLITES
    data = DataConfig(widen=1.0)
    drawn = [draw_spec("burned-area", data, 6, np.random.default_rng(seed)) for seed in range(60)]
    regime = spec_of("unseen regime", "burned-area")
    assert regime.fire_regime not in {one.fire_regime for one in drawn}
    assert regime.sensor not in {one.sensor for one in drawn}
    assert not next(landscapes_of(NO_FIRE, "burned-area", 1)).burned.any()
    assert next(landscapes_of(NO_FIRE, "burned-area", 1, "validation")).seed in VALIDATION_SEEDS
    one, again = (next(landscapes_of("cloudy", "tree-cover", 1)) for _ in range(2))
    assert np.array_equal(one.reflectance, again.reflectance)
    with pytest.raises(ValueError, match="use one of standard, cloudy"):
        spec_of("sunny", "burned-area")


def test_trees_come_again_in_landscapes_that_lie_years_apart() -> None:
    series = next(landscapes_of(YEARS_APART, "tree-cover", 1))
    assert np.diff(series.days).min() > 3 * 365
    assert (~series.trees[:-1] & series.trees[1:]).any(0).mean() > 0.02
    with pytest.raises(ValueError, match="burned-area landscapes 'years apart'"):
        spec_of(YEARS_APART, "burned-area")


def test_exported_chips(tmp_path: Path) -> None:
    paths = export(tmp_path, "burned-area", {"train": 66, "test": 1}, chip_px=32, dates=3)
    assert [path.name for path in paths] == ["train-000.npz", "train-001.npz", "test-000.npz"]
    with np.load(paths[1]) as shard:
        assert shard["x"].shape == (2, 3, 4, 32, 32)
        assert shard["x"].dtype == np.float32
        assert shard["clear"].shape == shard["y"].shape == (2, 3, 32, 32)
        burned = (shard["change_day"][:, None] > 0) & (shard["change_day"][:, None] <= shard["days"][..., None, None])
        assert (burned == (shard["y"] == 1)).all()
        assert ((shard["day_of_year"] >= 0) & (shard["day_of_year"] < 366)).all()
