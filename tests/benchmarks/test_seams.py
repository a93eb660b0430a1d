"""The measure of seams: by hand, and on a network that has them when its tiles lie side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.seams import landscape, measure, step_ratio
from models.checkpoint import save_checkpoint
from models.tiling import Tiling
from tests.models.static_nets import make_static, static_card


def test_a_step_of_its_own_shows() -> None:
    ramp = np.broadcast_to(np.arange(8) + np.arange(8)[:, None], (1, 2, 8, 8)).astype(np.float32)
    assert step_ratio(ramp, [4], [4]) == pytest.approx(1)
    cut = ramp.copy()
    cut[..., 4:] += 2  # one of two directions steps by 3 in place of 1
    assert step_ratio(cut, [4], [4]) == pytest.approx(2)
    assert step_ratio(cut, [2], [2, 4]) == pytest.approx(1)


def test_what_has_no_edge_or_no_step_has_no_ratio() -> None:
    flat = np.zeros((1, 2, 8, 8), np.float32)
    assert np.isnan(step_ratio(flat, [4], [4]))
    assert np.isnan(step_ratio(np.random.default_rng(0).random((8, 8), np.float32), [], []))


def test_blending_hides_what_tiles_side_by_side_show(tmp_path: Path) -> None:
    net = make_static("pspnet-resnet18")
    card = save_checkpoint(tmp_path / "pspnet", net, static_card("pspnet", net, Tiling("blend", 32, 32, 64)))
    found = measure(tmp_path / "pspnet", card, [landscape("burned-area", 11_000, 128)], 64)
    assert 0 < found.difference < 1
    assert 0 <= found.differs <= 1
    assert found.side_by_side > 2 * found.at_tiles
    assert max(found.at_tiles, found.at_blocks) < 1.5 * max(found.whole_at_tiles, found.whole_at_blocks)


def test_a_network_that_tiles_exactly_is_refused(tmp_path: Path) -> None:
    card = static_card("unet", make_static("unet-vgg16_bn"), Tiling("exact", 16, 135, None))
    with pytest.raises(ValueError, match="has no seams"):
        measure(tmp_path, card, [], 64)
