"""bfloat16 is for devices that are faster with it; the loss hardly moves."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from models.training.config import read_config, shipped_config
from models.training.lesson import open_lesson
from models.training.loop import ALONE, sum_of
from models.training.precision import memory_format, mixed_precision, multiplies_bfloat16

CPU = torch.device("cpu")


def test_a_cpu_without_matrix_tiles_stays_at_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "amx_bf16": False})
    with mixed_precision(CPU, wanted=True):
        assert nn.Conv2d(2, 2, 1)(torch.zeros(1, 2, 4, 4)).dtype == torch.float32


def test_a_cpu_with_matrix_tiles_takes_bfloat16_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    for wanted, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        with mixed_precision(CPU, wanted=wanted):
            assert nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == dtype


@pytest.mark.parametrize(
    ("can", "order"),
    [
        ({"avx2": True, "avx512_f": False}, torch.contiguous_format),
        ({"avx2": True, "avx512_f": True}, torch.channels_last),
        ({"neon": True}, torch.channels_last),
    ],
)
def test_channels_come_last_where_that_is_safe(
    can: dict[str, bool], order: torch.memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: can)
    assert memory_format(CPU) == order
    assert memory_format(torch.device("cuda")) == torch.channels_last


@pytest.mark.skipif(not multiplies_bfloat16(CPU), reason="bfloat16 takes minutes on this CPU")
@pytest.mark.parametrize("name", ["burned-area", "unet"])
def test_the_loss_is_nearly_that_of_float32(name: str) -> None:
    config = read_config(shipped_config(name))
    loss = {}
    for mixed in (False, True):
        lesson = open_lesson(dataclasses.replace(config, fit=dataclasses.replace(config.fit, mixed_precision=mixed)))
        torch.manual_seed(0)
        net = lesson.build()
        batch = [tensor[:1] for tensor in lesson.draw(0, ALONE)]
        terms, _ = lesson.objective(net, ALONE)(*batch)
        loss[mixed] = float(sum_of(terms).detach())
    assert loss[True] == pytest.approx(loss[False], rel=0.02)
    assert loss[True] != loss[False]
