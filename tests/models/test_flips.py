"""Test-time augmentation: a network that sees mirror images alike."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.engine import Engine
from models.engines.flips import FLIPS
from models.engines.open import open_engine
from models.errors import ModelUnsuited
from models.registry import SHIPPED
from tests.models.nets import make_looks


def run(engine: Engine, axes: tuple[int, ...] = ()) -> NDArray[np.float32]:
    """Probabilities of three random dates with clouds, all mirrored along `axes`, (T, K, H, W)."""
    looks = make_looks(3, 32, 64)
    x, clear = looks.x[0].numpy(), looks.clear[0].numpy()
    x = np.where(clear[:, None], x, np.nan).astype(np.float32)
    state, probs = engine.start(32, 64), []
    for t in range(3):
        state, now = engine.step(state, np.flip(x[t], axes), np.flip(clear[t], axes), 18000 + t)
        probs.append(np.flip(now, axes))
    return np.stack(probs)


def test_it_is_the_mean_over_mirror_images_and_sees_them_alike() -> None:
    plain = open_engine(SHIPPED / "burned-area", device="cpu", threads=1)
    flipped = open_engine(SHIPPED / "burned-area", device="cpu", threads=1, tta=True)
    said = {axes: run(plain, axes) for axes in FLIPS}
    ours = run(flipped)
    assert len({probs.tobytes() for probs in said.values()}) == 4
    np.testing.assert_allclose(ours, np.mean(list(said.values()), axis=0), rtol=0, atol=1e-6)
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(said[()]))
    for axes in FLIPS:
        np.testing.assert_allclose(run(flipped, axes), ours, rtol=0, atol=1e-6)


def test_a_network_that_blends_is_mirrored_tile_by_tile() -> None:
    ours = run(open_engine(SHIPPED / "pspnet", device="cpu", threads=1, tta=True))
    theirs = run(open_engine(SHIPPED / "pspnet", device="cpu", threads=1))
    assert 1e-4 < float(np.nanmax(np.abs(ours - theirs))) < 0.5


def test_instances_have_no_mean() -> None:
    with pytest.raises(ModelUnsuited, match=r"mask-rcnn@1 finds instances, .*: leave tta out"):
        open_engine(SHIPPED / "mask-rcnn", device="cpu", tta=True)
