"""Both engines are one network; files that do not fit their card are never loaded."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.card import Card, Change, read_card
from models.checkpoint import load_network, save_checkpoint
from models.engine import Engine
from models.engines.onnx import OnnxEngine
from models.engines.open import open_engine
from models.engines.torch import TorchEngine
from models.errors import CheckpointRefused, EngineUnavailable
from models.networks import stepping
from models.onnx_export import export_step
from models.registry import SHIPPED, list_models
from tests.models.nets import make_card, make_looks, make_net, stepped

Floats = NDArray[np.float32]


@pytest.fixture(scope="module", params=["burned-area", "tree-cover"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    theme = str(request.param)
    folder = tmp_path_factory.mktemp("models") / theme
    net = make_net("filter, unseen clock" if theme == "burned-area" else "class")
    save_checkpoint(folder, net, make_card(net, theme))
    return folder


def run(engine: Engine, dates: int = 4, height: int = 40, width: int = 72, seed: int = 0) -> Floats:
    """Probabilities of a random series, (T, K, H, W)."""
    looks = make_looks(dates, height, width, seed=seed)
    x, clear = looks.x[0].numpy(), looks.clear[0].numpy()
    x = np.where(clear[:, None], x, np.nan).astype(np.float32)
    state, probs = engine.start(height, width), []
    for t in range(dates):
        state, now = engine.step(state, x[t], clear[t], int(looks.day[0, t]))
        probs.append(now)
    return np.stack(probs)


def test_onnx_torch_and_the_network_agree(checkpoint: Path) -> None:
    card = read_card(checkpoint)
    by_onnx, by_torch = run(OnnxEngine(checkpoint, card)), run(TorchEngine(checkpoint, card, device="cpu"))
    by_net = stepped(stepping(load_network(checkpoint, card)), make_looks(4, 40, 72))[0].numpy()
    assert by_onnx.dtype == by_torch.dtype == np.float32
    for other in (by_torch, by_net):
        assert np.array_equal(np.isnan(by_onnx), np.isnan(other))
        assert float(np.nanmax(np.abs(by_onnx - other))) < 1e-4
    seen = make_looks(4, 40, 72).clear[0].numpy().cumsum(0) > 0
    assert np.array_equal(~np.isnan(by_onnx[:, 0]), seen)
    assert not seen.all()


def test_the_same_input_gives_the_same_bytes_for_any_number_of_threads(checkpoint: Path) -> None:
    first = run(open_engine(checkpoint, device="cpu", threads=1))
    for threads in (1, 2):
        assert run(open_engine(checkpoint, device="cpu", threads=threads)).tobytes() == first.tobytes()


def test_one_engine_serves_windows_of_any_size(checkpoint: Path) -> None:
    engine = open_engine(checkpoint, device="cpu", threads=1)
    before = run(engine)
    assert run(engine, height=16, width=104, seed=3).shape == (4, 2, 16, 104)
    assert run(engine).tobytes() == before.tobytes()


def test_results_of_earlier_steps_stay_as_they_were(checkpoint: Path) -> None:
    engine, looks = open_engine(checkpoint, device="cpu", threads=1), make_looks(2, 16, 24)
    state, first = engine.step(engine.start(16, 24), looks.x[0, 0].numpy(), looks.clear[0, 0].numpy(), 18000)
    kept = first.copy()
    engine.step(state, looks.x[0, 1].numpy(), looks.clear[0, 1].numpy(), 18010)
    assert kept.tobytes() == first.tobytes()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_agrees_within_bfloat16(checkpoint: Path) -> None:
    by_cuda, by_cpu = run(open_engine(checkpoint, device="cuda")), run(open_engine(checkpoint, device="cpu"))
    assert np.array_equal(np.isnan(by_cuda), np.isnan(by_cpu))
    assert float(np.nanmax(np.abs(by_cuda - by_cpu))) < 0.05


def test_auto_takes_the_cpu_where_there_is_no_cuda(checkpoint: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is CUDA")
    assert isinstance(open_engine(checkpoint), OnnxEngine)
    with pytest.raises(EngineUnavailable, match="no CUDA"):
        open_engine(checkpoint, device="cuda")
    with pytest.raises(EngineUnavailable, match="use auto, cpu or cuda"):
        open_engine(checkpoint, device="tpu")


def test_saving_twice_gives_the_same_bytes_and_no_path_of_the_machine(checkpoint: Path, tmp_path: Path) -> None:
    card = read_card(checkpoint)
    again = save_checkpoint(tmp_path / card.name, load_network(checkpoint, card), card)
    assert again.hashes == card.hashes
    for name in ("card.json", "weights.safetensors", "step.onnx"):
        data = (tmp_path / card.name / name).read_bytes()
        assert data == (checkpoint / name).read_bytes()
        assert str(Path.cwd()).encode() not in data
        assert b"site-packages" not in data
    assert sorted(p.name for p in tmp_path.iterdir()) == [card.name]


@pytest.mark.parametrize("name", ["weights.safetensors", "step.onnx"])
@pytest.mark.parametrize("harm", ["changed", "cut", "missing", "unlisted"])
def test_a_file_that_does_not_fit_its_card_is_refused(checkpoint: Path, tmp_path: Path, name: str, harm: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(checkpoint, folder)
    card, path = read_card(folder), folder / name
    data = path.read_bytes()
    if harm == "changed":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif harm == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif harm == "missing":
        path.unlink()
    else:
        hashes = {key: value for key, value in card.hashes.items() if key != name}
        card = card.model_copy(update={"hashes": hashes})
    (folder / "card.json").write_text(card.model_dump_json())
    load = OnnxEngine if name == "step.onnx" else load_network
    with pytest.raises(CheckpointRefused, match=name):
        load(folder, card)


@pytest.mark.parametrize(
    "change",
    [
        {"family": "oracle"},
        {"architecture": {"head": "filter", "windows": 3}},
        {"architecture": {"head": "guess"}},
        {"architecture": {"head": "filter", "widths": [8, 8], "memory": [8, 8]}},
    ],
)
def test_a_card_that_describes_another_network_is_refused(checkpoint: Path, change: dict[str, object]) -> None:
    card: Card = read_card(checkpoint).model_copy(update=change)
    with pytest.raises(CheckpointRefused, match=card.id):
        load_network(checkpoint, card)


def test_a_card_must_say_whether_its_change_lasts(checkpoint: Path) -> None:
    card = read_card(checkpoint)
    other = Change(name=card.change.name, before=0, after=1, lasting=not card.change.lasting)
    with pytest.raises(CheckpointRefused, match=f"change.lasting is {other.lasting}"):
        load_network(checkpoint, card.model_copy(update={"change": other}))


def test_the_cpu_engine_imports_no_torch() -> None:
    code = (
        "import sys; from models.engines.open import open_engine; from pathlib import Path; "
        f"open_engine(Path({str(SHIPPED / 'burned-area')!r}), device='cpu', threads=1); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.parametrize("name", ["burned-area", "tree-cover"])
def test_the_shipped_checkpoints_are_whole(name: str) -> None:
    card, folder = next((card, folder) for card, folder in list_models() if card.name == name)
    net = load_network(folder, card)
    assert card.tiling == "exact"
    assert (card.radius_px, card.stride_px, card.halo_px) == (44, 8, 48)
    probs = stepped(stepping(net), make_looks(3, 24, 32))[0].numpy()
    by_onnx = run(open_engine(folder, device="cpu", threads=1), 3, 24, 32)
    assert float(np.nanmax(np.abs(probs - by_onnx))) < 1e-4
    assert (folder / "step.onnx").read_bytes() == export_step(net)
