"""Static networks through checkpoints and engines: ONNX is torch, cards are checked, each tiles as its card says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.card import Card, read_card
from models.checkpoint import load_network
from models.engine import Engine
from models.engines.blend import BlendEngine
from models.engines.onnx import OnnxEngine
from models.engines.open import open_engine
from models.engines.torch import TorchEngine
from models.errors import CheckpointRefused
from models.networks import build_network, stepping
from models.receptive_field import measure_static_radius
from models.static import StaticNet
from models.tiling import Tiling, choose_tiling
from tests.models.nets import make_looks, stepped
from tests.models.static_nets import NETS, RADII, make_static, static_card

EXPORTED = [  # every family, every kind of encoder; the others have the same layers, more or fewer of them
    "fcn-16s-vgg16_bn",
    "fcn-8s-resnet18",
    "pspnet-resnet18",
    "unet-vgg16_bn",
    "unet-mobilenet_v2",
    "segnet",
]

Saved = Callable[[str], Path]


def run(engine: Engine, height: int, width: int) -> NDArray[np.float32]:
    """Probabilities of two random dates with clouds, NaN under them, (T, K, H, W)."""
    looks = make_looks(2, height, width)
    x, clear = looks.x[0].numpy(), looks.clear[0].numpy()
    x = np.where(clear[:, None], x, np.nan).astype(np.float32)
    state, probs = engine.start(height, width), []
    for t in range(2):
        state, now = engine.step(state, x[t], clear[t], 18000 + t)
        probs.append(now)
    return np.stack(probs)


@pytest.mark.parametrize("name", EXPORTED)
def test_onnx_and_torch_agree(saved: Saved, name: str) -> None:
    folder = saved(name)
    card = read_card(folder)
    net = load_network(folder, card)
    assert isinstance(net, StaticNet)
    assert all(torch.equal(v, net.state_dict()[k]) for k, v in build_network(card).state_dict().items() if "_C11" in k)
    by_onnx = OnnxEngine(folder, card, threads=1)
    for height, width in ((64, 96), (32, 160)):
        ours = stepped(stepping(net), make_looks(2, height, width))[0].numpy()
        for theirs in (run(by_onnx, height, width), run(TorchEngine(folder, card, device="cpu"), height, width)):
            assert np.array_equal(np.isnan(ours), np.isnan(theirs))
            assert float(np.nanmax(np.abs(ours - theirs))) < 1e-5
        assert np.nanstd(ours) > 1e-3


@pytest.mark.parametrize("name", EXPORTED)
def test_open_engine_tiles_as_the_card_says(saved: Saved, name: str) -> None:
    engine = open_engine(saved(name), device="cpu", threads=1)
    assert isinstance(engine, BlendEngine) == (engine.card.tiling == "blend")
    assert (engine.card.tiling == "exact") == (name in RADII)


@pytest.mark.parametrize("name", RADII)
def test_the_radius_is_measured(name: str) -> None:
    net = make_static(name)
    assert choose_tiling(net) == Tiling("exact", net.stride_px, RADII[name], None)


def test_networks_that_look_too_far_blend() -> None:
    assert measure_static_radius(make_static("fcn-8s-resnet18")) == 276
    assert choose_tiling(make_static("fcn-8s-resnet18")) == Tiling("blend", 256, 256, 512)
    with pytest.raises(ValueError, match="wider than 512 px"):
        measure_static_radius(make_static("pspnet-resnet18"))
    with pytest.raises(ValueError, match="multiple of twice the stride, 16; got 100"):
        choose_tiling(make_static("pspnet-resnet18"), tile_px=100)


@pytest.mark.parametrize("name", RADII)
def test_nothing_beyond_the_radius_matters(name: str) -> None:
    """Real weights, real maxima and their places: the probe's answer holds for them."""
    net, radius = make_static(name), RADII[name]
    side = -(-(2 * radius + 33) // 32) * 32 + 32
    for shape in ((32, side), (side, 32)):
        torch.manual_seed(4)
        x = torch.rand((1, 4, *shape)) / 2
        centre = side // 2
        other = torch.rand(x.shape)
        along = torch.arange(side).reshape((1, -1) if shape[1] == side else (-1, 1))
        other = torch.where((along - centre).abs() > radius, other, x)
        with torch.no_grad():
            before, after = net(x), net(other)
        at = (..., slice(None), centre) if shape[1] == side else (..., centre, slice(None))
        assert not torch.equal(before, after)
        torch.testing.assert_close(before[at], after[at], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("unet-vgg16_bn", {"family": "segnet"}),
        ("unet-vgg16_bn", {"stride_px": 32}),
        ("unet-vgg16_bn", {"architecture": {"encoder": "vgg19"}}),
        ("unet-vgg16_bn", {"architecture": {"classes": 5, "encoder": "vgg16_bn"}}),
        ("segnet", {"architecture": {"encoder": "resnet18"}}),
        ("fcn-8s-resnet18", {"architecture": {"finest": 4}}),
        ("pspnet-resnet18", {"architecture": {"encoder": "vgg16"}}),
    ],
)
def test_a_card_that_describes_another_network_is_refused(name: str, change: dict[str, object]) -> None:
    net = make_static(name)
    tiling = Tiling("exact", net.stride_px, RADII.get(name, 1), None)
    card = static_card(name, net, tiling).model_copy(update=change)
    with pytest.raises(CheckpointRefused, match=card.id):
        build_network(card)


@pytest.mark.parametrize(
    "change",
    [
        {"tiling": "exact", "tile_px": 64},
        {"tiling": "blend", "tile_px": None},
        {"tiling": "blend", "tile_px": 48},
        {"tiling": "instances", "tile_px": 96},
    ],
)
def test_a_card_s_tiles_must_fit_together(change: dict[str, object]) -> None:
    good = static_card("pspnet-resnet18", make_static("pspnet-resnet18"), Tiling("blend", 32, 32, 64))
    with pytest.raises(ValueError, match="tile_px"):
        Card.model_validate(good.model_dump() | change)


def test_every_family_is_in_the_canon() -> None:
    assert {type(make_static(name)).__name__ for name in NETS} == {"FCN", "PSPNet", "UNet", "SegNet"}
