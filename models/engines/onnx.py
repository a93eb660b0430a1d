"""Inference on CPU by onnxruntime: no torch, the same bytes for the same input from run to run."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models.card import Card
from models.checkpoint_files import STEP, read_checked
from models.errors import CheckpointRefused

NEVER = -1e6
"""Day of the last clear look before the first one, as in `models.recurrent_unet` (which needs torch)."""

LAST_DAY, LAST_PROBS, INPUT_SUFFIX = "last_day", "last_probs", "_in"
"""Names of the graph (`models.onnx_export`): a state's tensor goes in under its output's name with the suffix."""

BEFORE = {LAST_DAY: NEVER, LAST_PROBS: np.nan}
"""What a state's tensor holds before the first date, where that is not 0."""

Tensors = dict[str, NDArray[np.float32]]

OnnxState = tuple[Tensors, Tensors]
"""The state's tensors by the name of their output, and as many to write the next state into. The two change places at
every step: nothing is copied, and nothing that outlives a step comes from the arena, which stays as it is."""


@functools.cache
def _share_arena() -> None:
    """Give all sessions of the process one arena that grows by what is asked for, and splits what it has.

    By default a free chunk up to 128 MB too large is handed out whole: a quarter more memory at a window of 1136 px.
    """
    growth = ort.OrtArenaCfg(
        {
            "max_mem": 0,
            "arena_extend_strategy": 1,  # by the size requested, not by doubling
            "initial_chunk_size_bytes": -1,
            "max_dead_bytes_per_chunk": 1 << 16,
        }
    )
    cpu = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(cpu, growth)


class OnnxEngine:
    """An ONNX step graph with its session."""

    def __init__(self, folder: Path, card: Card, *, threads: int = 0) -> None:
        self._card = card
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        # Without an arena every step pays for its pages anew (twice the CPU time); a plan per shape would keep memory
        # for every size of window that a grid's edges make.
        _share_arena()
        options.add_session_config_entry("session.use_env_allocators", "1")
        options.enable_mem_pattern = False
        options.log_severity_level = 3
        # Spinning threads would burn the CPU on which the next date is read.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(
                read_checked(folder, card, STEP), options, providers=["CPUExecutionProvider"]
            )
        except (ort.capi.onnxruntime_pybind11_state.Fail, ort.capi.onnxruntime_pybind11_state.InvalidProtobuf) as err:
            raise CheckpointRefused(f"{card.id}: onnxruntime cannot load {STEP}: {err}") from err
        self._states = {
            i.name.removesuffix(INPUT_SUFFIX): i.shape
            for i in self._session.get_inputs()
            if i.name.endswith(INPUT_SUFFIX)
        }
        # A blending engine's blocks have another stride than the network that runs on its tiles.
        self._stride_px = next(self._scale(i.shape[2]) for i in self._session.get_inputs() if i.name == "reflectance")
        self._planned = (0, 0)

    @property
    def card(self) -> Card:
        """The card of the loaded network."""
        return self._card

    def start(self, height: int, width: int) -> OnnxState:
        """Return the state before the first date; see `models.engine.Engine`."""
        if (height, width) != self._planned:
            self._planned = (height, width)
            self._empty_arena()
        return self._fresh(height, width)

    def _empty_arena(self) -> None:
        """Give the arena's memory back: what fitted windows of one shape is in the way of windows of another.

        onnxruntime shrinks its arena at the end of a run only, so the smallest run there is goes over nothing.
        """
        side, shrink = self._stride_px, ort.RunOptions()
        shrink.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        nothing = np.zeros((len(self._card.bands), side, side), np.float32)
        self._run(self._fresh(side, side), nothing, np.zeros((side, side), np.bool_), 0, shrink)

    def _fresh(self, height: int, width: int) -> OnnxState:
        units = height // self._stride_px, width // self._stride_px
        now: Tensors = {}
        for name, (_, channels, rows, cols) in self._states.items():
            shape = (1, channels, units[0] * self._scale(rows), units[1] * self._scale(cols))
            now[name] = np.full(shape, BEFORE.get(name, 0.0), np.float32)
        return now, {name: np.empty_like(tensor) for name, tensor in now.items()}

    def step(
        self, state: OnnxState, reflectance: NDArray[np.float32], clear: NDArray[np.bool_], day: int
    ) -> tuple[OnnxState, NDArray[np.float32]]:
        """Take one date in; see `models.engine.Engine`."""
        return self._run(state, reflectance, clear, day)

    def tensors(self, state: OnnxState) -> Tensors:
        """Return the state's arrays by name; see `models.engine.RememberingEngine`."""
        return dict(state[0])

    def restore(self, tensors: Mapping[str, NDArray[np.float32]]) -> OnnxState:
        """Return the state that arrays are of; see `models.engine.RememberingEngine`."""
        now = {name: np.array(tensors[name], np.float32) for name in self._states}
        return now, {name: np.empty_like(tensor) for name, tensor in now.items()}

    def _run(
        self,
        state: OnnxState,
        reflectance: NDArray[np.float32],
        clear: NDArray[np.bool_],
        day: int,
        options: ort.RunOptions | None = None,
    ) -> tuple[OnnxState, NDArray[np.float32]]:
        now, then = state
        probs = np.empty((1, len(self._card.classes), *clear.shape), np.float32)
        binding = self._session.io_binding()
        binding.bind_cpu_input("reflectance", np.ascontiguousarray(reflectance[None], np.float32))
        binding.bind_cpu_input("clear", np.ascontiguousarray(clear[None], np.bool_))
        binding.bind_cpu_input("day", np.array([day], np.float32))
        for name, tensor in now.items():
            binding.bind_cpu_input(name + INPUT_SUFFIX, tensor)
        for name, tensor in (("probs", probs), *then.items()):
            binding.bind_output(name, "cpu", 0, np.float32, tensor.shape, tensor.ctypes.data)
        self._session.run_with_iobinding(binding, options)
        return (then, now), probs[0]

    @staticmethod
    def _scale(dimension: str) -> int:
        """Pixels per stride of a free dimension, which the graph names `8*rows`, `4*rows`, ..., `rows`."""
        return int(dimension.split("*", maxsplit=1)[0]) if "*" in dimension else 1
