"""`unseen_clock`: the network is told how long nobody saw a pixel before its first clear look; nothing else changes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.recurrent_unet import RecurrentUNet
from tests.models.nets import MEAN, STD, Looks, make_looks, make_net, stepped

WITH, WITHOUT = "filter, unseen clock", "filter"


def first_look_after(days: float, kind: str) -> Tensor:
    """Probabilities at the first clear look at all pixels, at a series' second date."""
    looks = make_looks(2, 32, 40, cloud=0)
    clear = torch.ones_like(looks.clear)
    clear[:, 0] = False
    day = looks.day[:, 1:] + torch.tensor([[-days, 0.0]])
    return stepped(make_net(kind), Looks(looks.x, clear, day))[:, 1]


def test_it_matters_how_long_nobody_looked() -> None:
    soon, late = first_look_after(3, WITH), first_look_after(300, WITH)
    assert float((soon - late).abs().max()) > 1e-4  # of fresh weights, which say nothing much yet
    assert torch.equal(first_look_after(3, WITHOUT), first_look_after(300, WITHOUT))


def test_where_the_first_date_is_clear_it_is_the_network_without_it() -> None:
    looks = make_looks(4, 32, 40)
    looks.clear[:, 0] = True
    assert torch.equal(stepped(make_net(WITH), looks), stepped(make_net(WITHOUT), looks))


def test_a_pixel_is_told_of_its_own_wait_only() -> None:
    looks = make_looks(3, 32, 96, cloud=0)
    looks.clear[:] = True
    half = looks.clear.clone()
    half[:, 0, :, 48:] = False
    whole, late = (stepped(make_net(WITH), Looks(looks.x, clear, looks.day)) for clear in (looks.clear, half))
    assert torch.equal(whole[..., :4], late[..., :4])  # out of reach of the other half
    assert not torch.equal(whole[:, 2, ..., 48:], late[:, 2, ..., 48:])
    assert bool(late[:, 0, ..., 48:].isnan().all())


@pytest.mark.parametrize("first_day", [-9000.0, 0.0, 40000.0])
def test_a_series_may_begin_on_any_day(first_day: float) -> None:
    looks = make_looks(3, 32, 40)
    moved = Looks(looks.x, looks.clear, looks.day - looks.day[:, :1] + first_day)
    assert torch.equal(stepped(make_net(WITH), moved).isnan(), stepped(make_net(WITH), looks).isnan())


def test_the_architecture_tells_of_it_only_where_it_is() -> None:
    assert "unseen_clock" not in make_net(WITHOUT).architecture
    architecture = make_net(WITH).architecture
    assert architecture["unseen_clock"] is True
    again = RecurrentUNet(mean=MEAN, std=STD, **architecture)
    assert again.state_dict().keys() == make_net(WITHOUT).state_dict().keys()
