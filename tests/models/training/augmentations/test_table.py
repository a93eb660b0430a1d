"""The [augment] table: read, refused, and the same sample whoever makes it."""

from __future__ import annotations

import copy
import tomllib
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch.utils.data import DataLoader, Dataset

from models.errors import ConfigRefused
from models.training.augment import augment
from models.training.augmentations.dates import DropDates, ShiftDates
from models.training.augmentations.geometry import Crop, Flip, Misregister, Rotate
from models.training.augmentations.sky import Cloud, Gain, Haze
from models.training.augmentations.table import AugmentConfig, sample_rng
from models.training.chips import Chip
from tests.models.training.chip import make_chip, same

EVERY = AugmentConfig(
    flip=Flip(), rotate=Rotate(chance=1), crop=Crop(24), shift_dates=ShiftDates(chance=1), haze=Haze(chance=1),
    cloud=Cloud(chance=1), gain=Gain(chance=1), misregister=Misregister(chance=1), drop_dates=DropDates(chance=0.5),
)  # fmt: skip


class Samples(Dataset[torch.Tensor]):
    """Augmented chips by number, as one tensor each."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, sample: int) -> torch.Tensor:
        chip = EVERY(make_chip(0), sample_rng(5, sample))
        parts = (chip.reflectance.ravel(), chip.clear.ravel(), chip.days, chip.target.ravel())
        return torch.from_numpy(np.concatenate([part.astype(np.float64) for part in parts]))


def test_a_sample_is_the_same_whatever_the_number_of_workers() -> None:
    alone, shared = (torch.cat(list(DataLoader(Samples(), num_workers=workers))) for workers in (0, 2))
    assert torch.equal(alone.nan_to_num(-1), shared.nan_to_num(-1))
    assert len({row.numpy().tobytes() for row in alone}) == 6


def test_a_sample_depends_on_seed_and_number_alone() -> None:
    chip, before = make_chip(1), copy.deepcopy(make_chip(1))
    first = EVERY(chip, sample_rng(0, 3))
    assert same(chip, before)
    assert same(EVERY(chip, sample_rng(0, 3)), first)
    assert not same(EVERY(chip, sample_rng(0, 4)), first)
    assert not same(EVERY(chip, sample_rng(1, 3)), first)


@pytest.mark.parametrize("off", [table.name for table in fields(AugmentConfig) if table.name != "gain"])
def test_switching_one_off_leaves_what_the_others_do(off: str) -> None:
    whole, without = (config(make_chip(2), sample_rng(0, 0)) for config in (EVERY, replace(EVERY, **{off: None})))
    assert not same(whole, without)
    changed = {
        name for name in ("clear", "days", "target")
        if not np.array_equal(getattr(whole, name), getattr(without, name))
    }  # fmt: skip
    touched = {
        "shift_dates": {"days"}, "drop_dates": {"clear"}, "cloud": {"clear"}, "misregister": {"clear"}, "haze": set(),
    }  # fmt: skip
    assert changed <= touched.get(off, {"clear", "target"})


def test_all_together_keep_the_contract_of_chips() -> None:
    for sample in range(20):
        chip = EVERY(make_chip(sample), sample_rng(0, sample))
        assert chip.reflectance.shape == (3, 4, 24, 24)
        assert chip.clear.shape == chip.target.shape == (3, 24, 24)
        dtypes = [part.dtype for part in (chip.reflectance, chip.clear, chip.days, chip.target)]
        assert dtypes == [np.float32, np.bool_, np.float32, np.int64]
        assert np.isfinite(np.moveaxis(chip.reflectance, 1, -1)[chip.clear]).all()
        assert set(np.unique(chip.target)) <= {0, 1, 2, 255}


def test_nothing_written_is_nothing_done() -> None:
    assert same(AugmentConfig()(make_chip(3), sample_rng(0, 0)), make_chip(3))


def test_the_table_is_read_from_toml() -> None:
    text = """
    flip = {}
    crop = { px = 64 }
    rotate = { chance = 0.5, scale = [0.5, 2] }
    gain = { per_band = 0.1 }
    """
    read = TypeAdapter(AugmentConfig).validate_python(tomllib.loads(text))
    expected = AugmentConfig(flip=Flip(), crop=Crop(64), rotate=Rotate(scale=(0.5, 2)), gain=Gain(per_band=0.1))
    assert read == expected
    for bad in ("blur = {}", "flip = { speed = 3 }", "crop = {}", "gain = { chance = 'often' }"):
        with pytest.raises(ValidationError):
            TypeAdapter(AugmentConfig).validate_python(tomllib.loads(bad))
    with pytest.raises(ConfigRefused, match=r"gain\.chance: expected 0\.\.1; got 3"):
        TypeAdapter(AugmentConfig).validate_python(tomllib.loads("gain = { chance = 3 }"))


@pytest.mark.parametrize(
    ("seed", "shift", "clear", "target", "mean"),
    [
        (0, 0, 18336, 54626, 0.227683), (1, 0, 18336, 54500, 0.272427), (2, 73, 18336, 54612, 0.325327),
        (3, 121, 18336, 54612, 0.313021), (5, 357, 18336, 54514, 0.273641), (6, 0, 8128, 54500, 0.260712),
    ],
)  # fmt: skip
def test_what_recurrent_networks_were_trained_with_stays(
    seed: int, shift: int, clear: int, target: int, mean: float
) -> None:
    """Pins `augment`: the order of its draws made the shipped checkpoints."""
    rng, places = np.random.default_rng(7), np.arange(192).reshape(3, 8, 8)
    image = rng.uniform(0.05, 0.5, (3, 4, 8, 8)).astype(np.float32)
    days = np.array([10, 20, 30], np.float32)
    made = augment(Chip(image, np.ones((3, 8, 8), bool), days, places % 7), np.random.default_rng(seed))
    assert (made.days - days).tolist() == [shift] * 3
    assert (int((made.clear * places).sum()), int((made.target * places).sum())) == (clear, target)
    assert float(made.reflectance.mean()) == pytest.approx(mean, abs=2e-6)
