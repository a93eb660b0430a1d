"""Mask R-CNN as an engine: from a checkpoint, on tiles of one lattice, date by date."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from geo.blocks import Window
from geo.pieces import Piece
from models.card import Card, LandClass
from models.checkpoint import load_network, save_checkpoint
from models.engine import InstanceEngine
from models.engines.instances import InstancesEngine, likely
from models.engines.open import open_engine
from models.errors import CheckpointRefused, EngineUnavailable
from models.mask_rcnn.network import MaskRCNN
from models.networks import build_network, stepping
from tests.geo.block_files import folders
from tests.geo.scenes import utm_grid, write_scene
from tests.models.nets import MEAN, STD, make_net
from tests.workers.plain_network import plain_card
from workers.assembly import assemble
from workers.block_pipeline import segment_block
from workers.planning import Request, make_plan

TILE_PX, STEP_PX = 64, 32
FIRST = datetime(2020, 8, 1, 10, 30, tzinfo=UTC)


def make_detector(classes: int = 2) -> MaskRCNN:
    """A network that was never trained, but sure enough of something in every tile."""
    torch.manual_seed(0)
    net = MaskRCNN(
        mean=MEAN,
        std=STD,
        width=0.125,
        anchor_px=(8, 16, 32, 64, 128),
        proposals=30,
        most=8,
        instance_score=0.6,
        classes=classes,
    )
    torch.nn.init.normal_(net.box_head.score.weight, std=0.5)
    torch.nn.init.constant_(net.box_head.score.bias[1:], 2.0)
    torch.nn.init.normal_(net.mask_head.masks.weight, std=0.5)
    return net.eval()


def detector_card(net: MaskRCNN) -> Card:
    return plain_card(
        name="detector", family="mask_rcnn", mean=MEAN, std=STD, tiling="instances", tile_px=TILE_PX, stride_px=STEP_PX,
        radius_px=TILE_PX - STEP_PX, architecture=net.architecture,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path, net = tmp_path_factory.mktemp("checkpoints") / "detector", make_detector()
    save_checkpoint(path, net, detector_card(net))
    return path


@pytest.fixture(scope="module")
def engine(folder: Path) -> InstancesEngine:
    opened = open_engine(folder, device="cpu")
    assert isinstance(opened, InstancesEngine)
    assert isinstance(opened, InstanceEngine)
    return opened


def look(seed: int = 0, height: int = 128, width: int = 160) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Reflectance in blotches, NaN under the clouds."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 0.4, (4, height // 8, width // 8)).repeat(8, 1).repeat(8, 2).astype(np.float32)
    clear = rng.uniform(size=(height // 16, width // 16)).repeat(16, 0).repeat(16, 1) > 0.2
    x[:, ~clear] = np.nan
    return x, clear


def test_a_checkpoint_holds_no_graph(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "weights.safetensors"]


def test_probabilities_and_pieces_fit_together(engine: InstancesEngine) -> None:
    x, clear = look()
    state, probs = engine.step(engine.start(*clear.shape), x, clear, 18_000)
    assert probs.dtype == np.float32
    assert np.isnan(probs[:, ~clear]).all()
    assert 0 <= probs[:, clear].min() <= probs[:, clear].max() <= 1
    np.testing.assert_allclose(probs[:, clear].sum(axis=0), 1, rtol=1e-6)
    pieces = engine.pieces(state)
    assert len(pieces) > 5
    held = np.zeros_like(clear)
    for piece in pieces:
        rows, cols = piece.window.within(Window(0, 0, *clear.shape))
        assert piece.window & piece.tile_window(TILE_PX) == piece.window
        assert clear[rows, cols][piece.mask].all()
        held[rows, cols] |= piece.mask
        assert piece.score >= 0.6
    assert held[clear & (probs[1] >= 0.5)].all()  # a mean of tiles is one half or more where one of them is
    assert 0 < held.mean() < clear.mean()


def test_a_tile_s_mask_is_the_very_pixels_of_its_pieces(engine: InstancesEngine) -> None:
    found = 0
    for seed in range(4):
        x, clear = look(seed, TILE_PX, TILE_PX)
        state, probs = engine.step(engine.start(*clear.shape), x, clear, 18_000)
        held = np.zeros_like(clear)
        for piece in engine.pieces(state):
            held[piece.window.within(Window(0, 0, *clear.shape))] |= piece.mask
        np.testing.assert_array_equal(probs[1, clear] >= 0.5, held[clear])
        found += int(held.sum())
    assert 0 < found < 2 * TILE_PX**2


def test_a_score_is_one_half_where_an_instance_begins() -> None:
    assert [float(likely(score, 0.6)) for score in (0, 0.3, 0.6, 0.8, 1)] == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert likely(1.0, 1.0) == 1  # an instance for sure, and nothing else is one
    assert likely(0.9, 1.0) == pytest.approx(0.45)


def test_a_window_shows_what_the_whole_shows(engine: InstancesEngine) -> None:
    x, clear = look(1)
    state, whole = engine.step(engine.start(*clear.shape), x, clear, 18_000)
    part = Window(32, 32, 96, 96)
    place = part.within(Window(0, 0, *clear.shape))
    part_state, probs = engine.step(engine.start(96, 96), x[:, *place], clear[place], 18_000)
    # The core: a tile that reaches into it lies in the window.
    np.testing.assert_array_equal(probs[:, 32:64, 32:64], whole[:, 64:96, 64:96])

    def of_inner_tiles(pieces: list[Piece]) -> list[Piece]:
        return [piece for piece in pieces if piece.tile_window(TILE_PX) & part == piece.tile_window(TILE_PX)]

    moved = [piece.moved(32, 32) for piece in engine.pieces(part_state)]
    assert moved == of_inner_tiles(engine.pieces(state))
    assert moved


def test_a_pixel_that_is_not_clear_repeats_its_last_look(engine: InstancesEngine) -> None:
    (x, clear), (later, later_clear) = look(2), look(3)
    state, first = engine.step(engine.start(*clear.shape), x, clear, 18_000)
    state, second = engine.step(state, later, later_clear, 18_010)
    np.testing.assert_array_equal(second[:, ~later_clear], first[:, ~later_clear])
    alone, _ = engine.step(engine.start(*clear.shape), later, later_clear, 18_010)
    assert engine.pieces(state) == engine.pieces(alone)
    state, third = engine.step(state, later, np.zeros_like(later_clear), 18_020)
    np.testing.assert_array_equal(third, second)
    assert engine.pieces(state) == []


def test_what_lies_under_the_mask_never_matters(engine: InstancesEngine) -> None:
    x, clear = look(4)
    other = np.where(clear, x, np.float32(0.3))
    results = [engine.step(engine.start(*clear.shape), values, clear, 18_000) for values in (x, other)]
    np.testing.assert_array_equal(results[0][1], results[1][1])
    assert engine.pieces(results[0][0]) == engine.pieces(results[1][0])


def test_a_window_smaller_than_a_tile_is_one_tile(engine: InstancesEngine) -> None:
    x, clear = look(5, 32, 96)
    state, probs = engine.step(engine.start(32, 96), x, clear, 18_000)
    assert probs.shape == (2, 32, 96)
    assert {piece.tile for piece in engine.pieces(state)} <= {(0, 0), (0, 32)}


def test_three_classes_share_the_probability(tmp_path: Path) -> None:
    net = make_detector(3)
    more = LandClass(id=2, name="other", color="#0000ff")
    card = detector_card(net)
    save_checkpoint(tmp_path / "three", net, card.model_copy(update={"classes": (*card.classes, more)}))
    engine = open_engine(tmp_path / "three", device="cpu")
    x, clear = look(6, 64, 64)
    _, probs = engine.step(engine.start(64, 64), x, clear, 18_000)
    assert probs.shape == (3, 64, 64)
    np.testing.assert_allclose(probs[:, clear].sum(axis=0), 1, rtol=1e-5)
    assert probs[1:, clear].max() > 0.1


def test_a_job_gives_the_same_bytes_in_blocks_of_any_size(engine: InstancesEngine, tmp_path: Path) -> None:
    grid = utm_grid(100, 130)
    scenes = [
        write_scene(tmp_path, f"d{number}", grid, acquired=FIRST.replace(day=number), seed=number) for number in (1, 9)
    ]
    by_id, hashes = {scene.id: scene for scene in scenes}, []
    for block_px in (32, 1024):
        out = tmp_path / str(block_px)
        plan = make_plan(scenes, Request(), engine.card, block_px=block_px, max_aoi_km2=1000)
        for block in plan.blocks:
            segment_block(plan, block, by_id, engine, out / str(block.index), lambda _: None)
        made = assemble(plan, engine.card, folders(out), out / "products", lambda _: None)
        hashes.append({product.name: product.sha256 for product in made})
    assert len(hashes[0]) > 16
    assert hashes[0] == hashes[1]
    features = json.loads((out / "products" / "instances_20200801.geojson").read_text())["features"]
    assert len(features) > 3


def test_cards_that_do_not_fit_are_refused(folder: Path, tmp_path: Path) -> None:
    net = make_detector()
    card = detector_card(net)
    with pytest.raises(CheckpointRefused, match="tiling 'exact' does not fit the family mask_rcnn"):
        build_network(card.model_copy(update={"tiling": "exact", "tile_px": None, "stride_px": 32}))
    with pytest.raises(CheckpointRefused, match="builds no network"):
        build_network(card.model_copy(update={"architecture": card.architecture | {"anchor_px": [8]}}))
    with pytest.raises(CheckpointRefused, match="stride_px"):
        build_network(card.model_copy(update={"stride_px": 24, "tile_px": 48}))
    with pytest.raises(TypeError, match="no step"):
        stepping(net)
    (tmp_path / "weights.safetensors").write_bytes((folder / "weights.safetensors").read_bytes()[:-1])
    with pytest.raises(CheckpointRefused, match="SHA-256"):
        load_network(tmp_path, open_engine(folder, device="cpu").card)
    other = plain_card(architecture=make_net("class").architecture, family="recurrent_unet", tiling="instances",
                       tile_px=16, stride_px=8, radius_px=8, mean=MEAN, std=STD)  # fmt: skip
    with pytest.raises(CheckpointRefused, match="does not fit the family recurrent_unet"):
        build_network(other)


def test_without_torch_it_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(EngineUnavailable, match="needs torch"):
        open_engine(folder, device="cpu")
