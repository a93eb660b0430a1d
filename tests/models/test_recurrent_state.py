"""States in files: going on is the same as never having stopped; what does not fit is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from numpy.typing import NDArray

from models.card import read_card
from models.engine import RememberingEngine
from models.engines.onnx import OnnxEngine
from models.engines.torch import TorchEngine
from models.errors import StateRefused
from models.recurrent_state import RecurrentState
from models.registry import SHIPPED

Look = tuple[str, NDArray[np.float32], NDArray[np.bool_], int]


def engine_of(name: str, kind: str = "onnx") -> RememberingEngine:
    folder = SHIPPED / name
    card = read_card(folder)
    return OnnxEngine(folder, card, threads=1) if kind == "onnx" else TorchEngine(folder, card, device="cpu")


@pytest.fixture(scope="module")
def engine() -> RememberingEngine:
    return engine_of("burned-area")


@pytest.fixture(scope="module")
def looks() -> list[Look]:
    rng = np.random.default_rng(5)
    return [
        (
            f"scene {t}",
            rng.uniform(0, 0.4, (4, 40, 56)).astype(np.float32),
            rng.uniform(size=(40, 56)) < 0.6,
            100 + 7 * t,
        )
        for t in range(5)
    ]


@pytest.mark.parametrize("kind", ["onnx", "torch"])
@pytest.mark.parametrize("name", ["burned-area", "tree-cover", "unet"])
def test_going_on_from_a_file_is_the_same_as_never_having_stopped(
    name: str, kind: str, looks: list[Look], tmp_path: Path
) -> None:
    engine = engine_of(name, kind)
    side = 64  # a multiple of all strides
    padded = [
        (
            scene,
            np.pad(x, ((0, 0), (0, side - 40), (0, side - 56))),
            np.pad(clear, ((0, side - 40), (0, side - 56))),
            day,
        )
        for scene, x, clear, day in looks
    ]
    whole, stopped = RecurrentState.begin(engine, side, side), RecurrentState.begin(engine, side, side)
    for look in padded:
        expected = whole.step(*look)
        got = stopped.step(*look)
        assert np.array_equal(expected, got, equal_nan=True)
        stopped.save(tmp_path / "window.safetensors")
        stopped = RecurrentState.load(tmp_path / "window.safetensors", engine)
    assert stopped.scenes == tuple(look[0] for look in looks)
    assert stopped.last_day == looks[-1][3]
    assert [path.name for path in tmp_path.iterdir()] == ["window.safetensors"]


def test_one_engine_goes_on_where_another_stopped(engine: RememberingEngine, looks: list[Look], tmp_path: Path) -> None:
    state = RecurrentState.begin(engine, 40, 56)
    for look in looks[:-1]:
        state.step(*look)
    state.save(tmp_path / "window.safetensors")
    other = RecurrentState.load(tmp_path / "window.safetensors", engine_of("burned-area", "torch"))
    assert np.allclose(state.step(*looks[-1]), other.step(*looks[-1]), atol=1e-4, equal_nan=True)


def test_scenes_that_do_not_follow_are_refused(engine: RememberingEngine, looks: list[Look]) -> None:
    state = RecurrentState.begin(engine, 40, 56)
    scene, x, clear, day = looks[1]
    before = state.step(scene, x, clear, day)
    with pytest.raises(StateRefused, match="scene 1 was taken in before"):
        state.step(scene, x, clear, day + 1)
    with pytest.raises(StateRefused, match="take scenes in by date"):
        state.step("older", x, clear, day - 1)
    with pytest.raises(StateRefused, match=r"expected reflectance \(4, 40, 56\)"):
        state.step("smaller", x[:, :32], clear[:32], day)
    assert (state.scenes, state.last_day) == (("scene 1",), day)
    unseen = state.step("cloudy", x, np.zeros_like(clear), day)
    assert np.array_equal(before, unseen, equal_nan=True)


def test_windows_that_do_not_fit_the_stride_are_refused(engine: RememberingEngine) -> None:
    for height, width in ((41, 56), (0, 56), (-8, 8)):
        with pytest.raises(StateRefused, match="multiples of 8 px"):
            RecurrentState.begin(engine, height, width)


def test_files_that_do_not_fit_are_refused(engine: RememberingEngine, looks: list[Look], tmp_path: Path) -> None:
    path = tmp_path / "window.safetensors"
    state = RecurrentState.begin(engine, 40, 56)
    state.step(*looks[0])
    state.save(path)
    with pytest.raises(StateRefused, match="other weights than tree-cover@6"):
        RecurrentState.load(path, engine_of("tree-cover"))
    whole = path.read_bytes()
    for broken in (b"", whole[:100], whole[: len(whole) // 2], b"PK" + whole):
        path.write_bytes(broken)
        with pytest.raises(StateRefused, match="expected a state"):
            RecurrentState.load(path, engine)
    safetensors.numpy.save_file({"a": np.zeros(3, np.float32)}, path)
    with pytest.raises(StateRefused, match="got none"):
        RecurrentState.load(path, engine)
    with safetensors.safe_open(_written(tmp_path / "good", whole), framework="numpy") as file:
        told = file.metadata()
    safetensors.numpy.save_file({"last_day": np.zeros((1, 1, 40, 56), np.float32)}, path, metadata=told)
    with pytest.raises(StateRefused, match="its tensors are not those of burned-area@8"):
        RecurrentState.load(path, engine)
    with pytest.raises(FileNotFoundError):
        RecurrentState.load(tmp_path / "none", engine)


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
